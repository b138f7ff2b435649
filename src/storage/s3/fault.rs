//! What AWS said, told with bucket and key and what to do about it.

use std::error::Error as StdError;
use std::io::ErrorKind;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::Uri;
use crate::Error;
use crate::error::Report;

const PATIENCE: &str = "Look at the network, or allow more seconds with ROLLSHARE_S3_TIMEOUT";
const DENIED: &str = "AccessDenied";

/// Whether S3 knows who asks, and does not allow it.
pub fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Io { report, .. } if report.found.contains(DENIED))
}

/// The object is another one than the one that was listed.
pub fn replaced(uri: &Uri) -> Error {
    Error::data("the object was replaced while the run read it")
        .expected("objects that stay as they are while they are read")
        .advice("Nothing was published. Run again when the export is complete")
        .in_file(&uri.to_string().into())
}

/// The status that S3 answered with, if it did.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether there is nothing of that name.
pub fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    // HEAD has no body, so no code.
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    status(error) == Some(404) && matches!(code, None | Some("NoSuchKey" | "NotFound"))
}

/// Reading or writing failed for good.
pub fn failed(what: &str, uri: &Uri, kind: ErrorKind, advice: &str) -> Error {
    let report = Report { found: what.to_owned(), advice: advice.to_owned(), ..Report::default() };
    Error::Io { report: Box::new(report), source: kind.into() }.in_file(&uri.to_string().into())
}

/// An error of the SDK as one of ours. `doing` says what was tried: "cannot read".
pub fn service_error<E>(doing: &str, uri: &Uri, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) if error.raw_response().is_some() => {
            answered(doing, uri, error)
        }
        SdkError::TimeoutError(_) => {
            failed(&format!("{doing}: no answer in time"), uri, ErrorKind::TimedOut, PATIENCE)
        }
        _ => unanswered(doing, uri, &DisplayErrorContext(error).to_string()),
    }
}

/// No answer came.
fn unanswered(doing: &str, uri: &Uri, chain: &str) -> Error {
    let said = chain.split(" (").next().unwrap_or(chain);
    let about = |what: &str| chain.to_ascii_lowercase().contains(what);
    if about("credential") || about("identity") {
        return failed(
            &format!("{doing}: no usable AWS credentials ({said})"),
            uri,
            ErrorKind::PermissionDenied,
            "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run 'aws sso login', or give the machine a role",
        );
    }
    let kind = if about("timed out") || about("timeout") || about("throughput") {
        ErrorKind::TimedOut
    } else if about("reset") || about("closed") || about("incomplete") {
        ErrorKind::ConnectionReset
    } else {
        ErrorKind::NotConnected
    };
    let advice = if kind == ErrorKind::TimedOut {
        PATIENCE
    } else {
        "Look at the network, the region and AWS_ENDPOINT_URL, and run again"
    };
    failed(&format!("{doing}: no whole answer from S3 ({said})"), uri, kind, advice)
}

/// S3 said no.
fn answered<E>(doing: &str, uri: &Uri, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let message = service.and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let status = status(error).unwrap_or_default();
    let header = |name| error.raw_response().and_then(|response| response.headers().get(name));
    let mut said = [&status.to_string(), code, message].join(" ").trim_end().to_owned();
    if let Some(id) = header("x-amz-request-id").filter(|_| status != 404) {
        said = format!("{said}, request {id}");
    }
    let found = format!("{doing}: S3 said {said}");
    let io = |kind, advice: &str| failed(&found, uri, kind, advice);
    // A HEAD says the region in its header, a GET in its body.
    let region = header("x-amz-bucket-region").map(str::to_owned).or_else(|| expected_region(message));
    match (status, code) {
        (404, "NoSuchBucket") => {
            Error::not_found(found).advice("Look at the bucket's name").in_file(&uri.to_string().into())
        }
        (404, _) => Error::not_found(found).in_file(&uri.to_string().into()),
        (301 | 307, _)
        | (
            400,
            "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "PermanentRedirect",
        ) => {
            let advice = region.map_or_else(
                || "The bucket is in another region: set AWS_REGION to it".to_owned(),
                |region| format!("The bucket is in {region}: set AWS_REGION={region}"),
            );
            io(ErrorKind::InvalidInput, &advice)
        }
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken") => io(
            ErrorKind::PermissionDenied,
            "The credentials have expired: fetch new ones ('aws sso login', or what issued them) and run again",
        ),
        (_, "RequestTimeTooSkewed") => {
            let theirs = header("date").map(|date| format!(" (S3's says {date})")).unwrap_or_default();
            io(
                ErrorKind::PermissionDenied,
                &format!("This machine's clock is wrong{theirs}: set it, by NTP for instance"),
            )
        }
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => io(
            ErrorKind::PermissionDenied,
            "The access key is wrong: look at AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (403, _) => io(
            ErrorKind::PermissionDenied,
            "Allow s3:ListBucket on the bucket and s3:GetObject on the sources; for targets also s3:PutObject, \
             s3:DeleteObject and s3:AbortMultipartUpload",
        ),
        (500.., _) => io(ErrorKind::Other, "S3 was tried several times; run again later"),
        _ => io(ErrorKind::Other, ""),
    }
}

/// `... expecting 'eu-west-1'`, as `AuthorizationHeaderMalformed` puts it.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}

/// The same error for another reader of the same bytes.
pub fn clone_error(error: &Error) -> Error {
    match error {
        Error::Io { report, source } => Error::Io { report: report.clone(), source: source.kind().into() },
        Error::Data(report) => Error::Data(report.clone()),
        Error::NotFound(report) => Error::NotFound(report.clone()),
        other => Error::internal(other.to_string()),
    }
}

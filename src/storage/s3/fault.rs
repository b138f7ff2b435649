//! Errors of S3, with bucket, key and advice.

use std::error::Error as StdError;
use std::io::ErrorKind;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::Uri;
use crate::Error;
use crate::error::Report;

const TIMEOUT_ADVICE: &str = "Check the network, or raise the timeout with ROLLSHARE_S3_TIMEOUT (seconds)";
const DENIED: &str = "AccessDenied";

/// Whether S3 denied access to an authenticated caller.
pub fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Io { report, .. } if report.found.contains(DENIED))
}

/// The error for an object whose version differs from the listed one.
pub fn object_replaced(uri: &Uri) -> Error {
    Error::data("the object was replaced while the run read it")
        .expected("objects that do not change while they are read")
        .advice("Nothing was published. Run again when the export is complete")
        .in_file(&uri.to_string().into())
}

/// The HTTP status of the response, if there was one.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether no object has that key.
pub fn is_not_found<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    // A HEAD response has no body, so no code.
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    status(error) == Some(404) && matches!(code, None | Some("NoSuchKey" | "NotFound"))
}

/// An `Io` error about an object.
pub fn io_error(what: &str, uri: &Uri, kind: ErrorKind, advice: &str) -> Error {
    let report = Report { found: what.to_owned(), advice: advice.to_owned().into(), ..Report::default() };
    Error::Io { report: Box::new(report), source: kind.into() }.in_file(&uri.to_string().into())
}

/// Converts an error of the SDK. `action` is what failed: "cannot read".
pub fn service_error<E>(action: &str, uri: &Uri, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) if error.raw_response().is_some() => {
            response_error(action, uri, error)
        }
        SdkError::TimeoutError(_) => {
            io_error(&format!("{action}: the request timed out"), uri, ErrorKind::TimedOut, TIMEOUT_ADVICE)
        }
        _ => connection_error(action, uri, &DisplayErrorContext(error).to_string()),
    }
}

/// The error where S3 returned no response.
fn connection_error(action: &str, uri: &Uri, chain: &str) -> Error {
    let response = chain.split(" (").next().unwrap_or(chain);
    let about = |what: &str| chain.to_ascii_lowercase().contains(what);
    if about("credential") || about("identity") {
        return io_error(
            &format!("{action}: no usable AWS credentials ({response})"),
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
        TIMEOUT_ADVICE
    } else {
        "Check the network, the region and AWS_ENDPOINT_URL, and run again"
    };
    io_error(&format!("{action}: no complete response from S3 ({response})"), uri, kind, advice)
}

/// The error where S3 returned an error response.
fn response_error<E>(action: &str, uri: &Uri, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let message = service.and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let status = status(error).unwrap_or_default();
    let header = |name| error.raw_response().and_then(|response| response.headers().get(name));
    let mut response = [&status.to_string(), code, message].join(" ").trim_end().to_owned();
    if let Some(id) = header("x-amz-request-id").filter(|_| status != 404) {
        response = format!("{response}, request {id}");
    }
    let found = format!("{action}: S3 returned {response}");
    let io = |kind, advice: &str| io_error(&found, uri, kind, advice);
    // HEAD returns the region in a header, GET in the body.
    let region = header("x-amz-bucket-region").map(str::to_owned).or_else(|| expected_region(message));
    match (status, code) {
        (404, "NoSuchBucket") => {
            Error::not_found(found).advice("Check the name of the bucket").in_file(&uri.to_string().into())
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
            "The credentials have expired: get new ones ('aws sso login', or from their issuer) and run again",
        ),
        (_, "RequestTimeTooSkewed") => {
            let theirs =
                header("date").map(|date| format!(" (the clock of S3 says {date})")).unwrap_or_default();
            io(
                ErrorKind::PermissionDenied,
                &format!("The clock of this machine is wrong{theirs}: set it, for instance by NTP"),
            )
        }
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => io(
            ErrorKind::PermissionDenied,
            "The access key is wrong: check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (403, _) => io(
            ErrorKind::PermissionDenied,
            "Allow s3:ListBucket on the bucket and s3:GetObject on the sources; for targets also s3:PutObject, \
             s3:DeleteObject and s3:AbortMultipartUpload",
        ),
        (500.., _) => io(ErrorKind::Other, "The request was retried several times; run again later"),
        _ => io(ErrorKind::Other, ""),
    }
}

/// The region in `... expecting 'eu-west-1'`, the message of `AuthorizationHeaderMalformed`.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}

/// Clones an error for another reader of the same bytes.
pub fn clone_error(error: &Error) -> Error {
    match error {
        Error::Io { report, source } => Error::Io { report: report.clone(), source: source.kind().into() },
        Error::Data(report) => Error::Data(report.clone()),
        Error::NotFound(report) => Error::NotFound(report.clone()),
        other => Error::internal(other.to_string()),
    }
}

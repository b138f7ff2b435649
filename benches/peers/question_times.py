"""Times every engine on one question of `questions.py`, and compares the answers."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import questions

import report

# The most time for the repeats of one form; a slow form repeats less often.
SECONDS = 8


def measure(timer, work, name, path, arguments, not_run):
    """Time every engine on one question; compare the answers with that of the first engine."""
    question = questions.QUESTIONS[name]
    answers = work / "answers"
    answers.mkdir(parents=True, exist_ok=True)
    measured, reference = {}, None
    floor = floor_of(timer, question, path, arguments)
    if "error" in floor:
        not_run[f"floor, {name}"] = floor["error"]
    else:
        measured["floor"] = floor["floor"]
        show("floor", measured["floor"])
    for engine in [e for e in questions.ENGINES if e in arguments.engines]:
        answer = answers / f"{name}-{engine}.parquet"
        answer.unlink(missing_ok=True)
        command = [
            sys.executable,
            Path(__file__).with_name("question_engines.py"),
            engine,
            name,
            path,
            arguments.threads,
            arguments.repeats,
            SECONDS,
            answer,
        ]
        done = run(command)
        if done.returncode != 0:
            sys.exit(f"{engine}, {name}:\n{done.stderr}")
        outcome = json.loads(done.stdout.strip().splitlines()[-1])
        for form, why in outcome.pop("failed").items():
            not_run[f"{engine}, {name}, {form}"] = why
        measured[engine] = outcome
        show(f"{engine}, sums", report.best(outcome)[1])
        show(f"{engine}, table", min(outcome["tables"].values(), key=report.median_wall))
        reference = questions.agree(reference, pl.read_parquet(answer), engine, question)
    ours = rollshare(timer, question, path, answers / f"{name}-rollshare.csv", arguments)
    if "error" in ours:
        not_run[f"rollshare, {name}"] = ours["error"]
        print(f"  {'rollshare':<16} NOT RUN: {ours['error']}", file=sys.stderr)
    else:
        show("rollshare", ours["job"])
        questions.agree(
            reference, questions.read_csv(answers / f"{name}-rollshare.csv", question), "rollshare", question
        )
        measured["rollshare"] = ours
    return measured


def rollshare(timer, question, path, answer, arguments):
    """Time the job in process, up to its table, as the other engines are timed; the page cache is warm."""
    command = [timer, path, arguments.threads, arguments.repeats, answer]
    command += ["--profile", questions.PROFILES / f"{question.profile}.toml", *question.arguments]
    done = run(command)
    if done.returncode != 0:
        return {"error": (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def floor_of(timer, question, path, arguments):
    """The time to decompress every page of the columns that the question needs."""
    done = run([timer, path, arguments.threads, max(arguments.repeats, 7), "--floor", *question.columns])
    if done.returncode != 0:
        return {"error": (done.stderr.strip() or "failed").splitlines()[0][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def show(name, times):
    print(f"  {name:<16} {report.median_wall(times) * 1e3:8.1f} ms", file=sys.stderr)

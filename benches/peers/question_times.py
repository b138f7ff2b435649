"""Times every engine on one question of `questions.py`, and compares the answers."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import questions

import report

# The most time for the repeats of one form; a slow form repeats less often.
SECONDS = 8


def measure(program, timer, work, name, path, arguments, not_run):
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
    ours = rollshare(program, question, path, answers / f"{name}-rollshare.csv", arguments)
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


def rollshare(program, question, path, answer, arguments):
    """Time the program from exec to exit, with its answer written as CSV; the page cache is warm.

    To time the job in process instead, run `rollshare_time` with the same options and return its "job".
    """
    command = [program, "run", "--source", path, "--profile", questions.PROFILES / f"{question.profile}.toml"]
    command += [
        *question.arguments,
        "--no-checks",
        "--threads",
        arguments.threads,
        "--quiet",
        "--target",
        answer,
    ]
    times = []
    for _ in range(arguments.repeats + 1):
        used, before = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = run(command)
        wall, now = time.perf_counter() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            return {"error": (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0][:200]}
        times.append([wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime])
    return {"job": times[1:]}


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

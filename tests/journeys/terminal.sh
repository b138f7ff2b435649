#!/bin/sh
# The first hour of a data engineer at a terminal: a step is a command, its exit code, and what it says.
# tests/program.rs runs it in an empty folder, with the program on the path.
set -u
failed=0

# step CODE COMMAND: runs a line of shell, whose output the next lines look at.
step() {
  expected=$1 line=$2
  said=$(sh -c "$line" 2>&1)
  code=$?
  [ "$code" = "$expected" ] || complain "exit code $code, not $expected"
}
complain() {
  failed=$((failed + 1))
  printf '%s\n' "$ $line" "$said" "-- $1" ''
}
says() {
  for text in "$@"; do
    case $said in *"$text"*) ;; *) complain "does not say: $text" ;; esac
  done
}
silent() { [ -z "$said" ] || complain 'is not silent'; }
lines() { [ "$(printf '%s\n' "$said" | wc -l)" -le "$1" ] || complain "has more than $1 lines"; }
never() {
  for text in "$@"; do
    case $said in *"$text"*) complain "says: $text" ;; esac
  done
}

# The two commands, and the first summary.
step 0 'rollshare sample --rows 60k --out exports/2024.parquet'
says 'wrote    exports/2024.parquet: 60,000 rows, 1 file'
step 0 'rollshare run --source exports/'
says country trend ' %' 'checks   29 passed' 'All 616 rows: --target X.csv'
never warned blocked

# Lines of the README, the migration among them (tests/docs.rs runs them all).
step 0 'rollshare run exports/ --target old_output/ --semantics legacy --no-checks -q'
silent
step 0 'rollshare compare --source exports/ --against old_output/'
says 'rows' 'same'
step 0 'rollshare run exports/ --target share.csv'
says 'wrote    share.csv' 'page     '
step 0 'rollshare report latest --target share.csv --html report.html'
says 'wrote    report.html'
step 0 'rollshare report latest --target share.csv --png share.png -q && ls share.png'
says share.png
step 0 'rollshare open share.csv'
says '_rollshare/share.csv/runs/' .html

# Help and completions.
for command in run promote check compare open report why profile sample completions; do
  step 0 "rollshare $command --help"
  says Usage
done
step 0 'rollshare completions --help'
says 'bash'
step 0 'rollshare completions fish | head -1'

# Inputs that are not there, or no parquet.
step 3 'rollshare run missing.parquet'
says 'error: no such file or folder' 'in       missing.parquet'
step 3 'mkdir empty && rollshare run empty/'
says 'no data files in empty/' 'expected at least one parquet file'
step 3 ': > zero.parquet && rollshare run zero.parquet'
says 'a zero-byte file' 'export it again'
step 3 'head -c 20000 exports/2024.parquet > cut.parquet && rollshare run cut.parquet'
says 'which begins and ends with PAR1' 'it was cut short'
step 3 'printf "a,b\n1,2\n" > ab.csv && rollshare run ab.csv'
says "no columns 'start_date' (the dates)" 'expected it among a, b' --date 'rollshare profile'
never 'remove it'

# A column, an option, a subcommand that is not there.
step 3 'rollshare run exports/ --column country=country_code'
says "no column 'country_code'" "There is 'country': add --dimension country=country"
never 'did not run'
lines 4
step 2 'rollshare run exports/ --windw 4'
says "a similar argument exists: '--window'"
step 2 'rollshare rnu'
says "a similar subcommand exists: 'run'"
step 2 'rollshare run exports/ --country GB'
says '--only country=GB'
never --country-total
step 2 'rollshare run exports/ --window four'
says "'four'" 'expected a whole number'
step 2 'rollshare sample --rows many --out many.parquet'
says "'many'" 'expected'
step 2 'rollshare run exports/ --allow-restatement 2026-10 --target other.csv'
says 'an ISO week such as 2026-W10 or 2026_10'

# Sources without --source, windows, months.
step 0 'rollshare exports/ --last 1'
says share_organic_p4w
step 0 'rollshare run exports/ --window 4,13 --only country=GB --last 1'
says share_organic_p4w share_organic_p13w GB
step 0 'rollshare run exports/ --grain month --last 1'
says month share_organic_p4m

# An export without total rows: its systems are added up.
step 0 'rollshare sample --rows 60k --out cube.csv -q && grep -v ",all" cube.csv | grep -v ",ALL," > parts.csv'
step 0 'rollshare run parts.csv --target parts_share.csv'
says 'wrote    parts_share.csv' '11 countries'
# No rows: nothing is published.
step 4 'head -1 cube.csv > none.csv && rollshare run none.csv --target none_share.csv'
says 'none of 0 rows'
step 2 'ls none_share.csv'
step 3 'rollshare run none.csv --target none_share.csv --no-checks'
says 'no rows' --allow-empty

# One row of a country that is none: the table, and what to do.
step 4 'sed "0,/,GB,/s//,UK,/" cube.csv > uk.csv && rollshare run uk.csv'
says ' %' 'would be blocked: ' "'UK'" 'Allow it: [allow] countries = ["UK"]' --warn-only
# A source whose organic users have another name.
step 4 'rollshare run exports/ --organic Organc'
says "no row of Organc" ' %'
step 3 'rollshare run exports/ --organic Organc --no-checks'
says "'Organc'" Organic

# Blocked with a target: the next command is on the screen, and works.
step 4 'rollshare run exports/ --target share.csv --organic "Search Ads"'
says 'blocked  ' 'next     rollshare promote ' 'kept in  ' 'page     '
step 0 'rollshare report --target share.csv'
says 'Not published' 'Published'
step 0 'rollshare report latest --target share.csv'
says 'Not published: ' FAIL 'passed'
step 2 'rollshare promote xyz --target share.csv'
says "no run 'xyz'" 'rollshare report --target share.csv'
step 0 'rollshare promote latest --target share.csv'
says 'wrote    share.csv' overrode

# For programs: JSON, errors as JSON, quiet.
step 0 'rollshare run exports/ --json | python3 -c "import json, sys; print(json.load(sys.stdin)[\"verdict\"])"'
says pass
step 0 'rollshare run missing.parquet --json | python3 -c "import json, sys; print(json.load(sys.stdin)[\"error\"][\"exit_code\"])"'
says 3
step 0 'rollshare run exports/ --target quiet.csv -q'
silent
step 4 'rollshare run exports/ --target quiet.csv --organic Organc -q'
says 'blocked: ' organic_present
lines 1
step 0 'rollshare run exports/ --explain'
says 'paths ' 'phases '
step 0 'rollshare run exports/ --target - -q | head -1'
says 'year,week,country,share_organic_p4w'
lines 1
step 4 'COLUMNS=60 rollshare run uk.csv'
says 'would be blocked: '

# Everyday questions.
step 0 'rollshare run exports/ --only country=GB,FR --last 8 --target - -q | wc -l'
says 17
step 0 'rollshare run exports/ --by none --last 1'
says share_organic_p4w
step 0 'rollshare run parts.csv --by os_name --last 1'
says android ios
step 0 'rollshare run exports/ --details --last 1 --only country=GB --target -'
says year_ago GB
step 0 'rollshare run exports/ --dates --last 1 --only country=GB --target -'
says week_start
step 0 'rollshare why GB --source exports/ --against 4'
says 'GB: organic share ' ' points since ' 'Search Ads'
step 0 'rollshare report latest --target share.csv --text'
says 'The organic share of all countries is '
step 0 'sed "1s/country/country_code/" cube.csv > code.csv && rollshare run code.csv --dimension country=country_code --last 1'
says GB
step 3 'rollshare run exports/ --checks nowhere.toml'
says 'cannot read the checks' nowhere.toml

[ "$failed" = 0 ] || { echo "$failed complaints"; exit 1; }

#!/bin/sh
# Prints each campaign's name, spend and installs of the last 30 days, of the first app that the key may read.
set -eu
url="${GRAPHQL_URL:-http://127.0.0.1:4000/graphql}"

ask() {
  curl --silent --show-error --fail-with-body --max-time 30 "$url" \
    --header "Authorization: Bearer $API_KEY" --header 'Content-Type: application/json' --data "$1"
}

app=$(ask '{"query":"{ apps { id } }"}' | sed 's/.*"apps":\[{"id":"\([^"]*\)".*/\1/')
ask '{"query":"query ($app: ID!) { campaigns(appId: $app, first: 10) { edges { node { name spend(range: { lastDays: 30 }) { amount currency } installs(range: { lastDays: 30 }) } } } }","variables":{"app":"'"$app"'"}}'
echo

"""Prints each campaign's name, spend, installs and ROAS of the last 30 days. Standard library only."""

import json
import os
import urllib.error
import urllib.request

URL = os.environ.get("GRAPHQL_URL", "http://127.0.0.1:4000/graphql")
KEY = os.environ["API_KEY"]


def ask(query: str, **variables):
    """Answers `data`; raises RuntimeError with the error's code (docs/errors.md) otherwise."""
    request = urllib.request.Request(
        URL,
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    if answer.get("errors"):
        first = answer["errors"][0]
        raise RuntimeError(f"{first['extensions']['code']}: {first['message']}")
    return answer["data"]


def campaigns(app_id: str):
    """Every campaign of the app, page by page."""
    query = """
      query ($app: ID!, $after: String) {
        campaigns(appId: $app, first: 50, after: $after) {
          pageInfo { hasNextPage endCursor }
          edges { node {
            name
            spend(range: { lastDays: 30 }) { amount currency }
            installs(range: { lastDays: 30 })
            roas(range: { lastDays: 30 })
          } }
        }
      }
    """
    after = None
    while True:
        page = ask(query, app=app_id, after=after)["campaigns"]
        yield from (edge["node"] for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


if __name__ == "__main__":
    for app in ask("{ apps { id name } }")["apps"]:
        print(app["name"])
        for campaign in campaigns(app["id"]):
            spend = campaign["spend"]
            roas = "-" if campaign["roas"] is None else f"{campaign['roas']:.2f}"
            print(f"  {campaign['name']:24} {spend['amount']:>10} {spend['currency']}  installs {campaign['installs']:>5}  ROAS {roas}")

'use client';

import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Panel } from '../../components/states.tsx';

const query = (appId: string) => `{
  campaigns(appId: "${appId}", first: 20) {
    edges {
      node {
        name
        spend(range: { lastDays: 30 }) { amount currency }
        installs(range: { lastDays: 30 })
        revenue(range: { lastDays: 30 }) { amount currency }
        roas(range: { lastDays: 30 })
      }
    }
  }
}`;

const subscription = (appId: string) => `subscription {
  liveMetrics(appId: "${appId}", window: LAST_HOUR) {
    totals { installs sessions revenue { amount currency } eventsPerSecond }
    rows { campaign { name } installs sessions }
  }
}`;

export function ApiAccess({ appId }: { appId: string }) {
  const [origin, setOrigin] = useState('');
  useEffect(() => setOrigin(location.origin), []);
  const curl = `curl ${origin}/graphql \\
  -H "Authorization: Bearer $TRIBUTARY_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${JSON.stringify({ query: '{ apps { id name } }' })}'`;
  return (
    <div className="max-w-3xl space-y-4">
      <div>
        <h1 className="text-[19px] font-semibold tracking-tight">API</h1>
        <p className="text-soft">Everything in this console comes from one GraphQL endpoint. Your API key opens it.</p>
      </div>
      <Code title="Endpoint" text={`${origin}/graphql`} />
      <Code title="From a shell" text={curl} />
      <Code title="Campaigns with spend, installs, revenue and ROAS" text={query(appId)} />
      <Code title="Live, over WebSocket (graphql-transport-ws)" text={subscription(appId)} />
    </div>
  );
}

function Code({ title, text }: { title: string; text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <Panel
      title={title}
      aside={
        <button
          type="button"
          onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
          className="flex items-center gap-1.5 rounded-md px-2 py-0.5 text-[13px] text-soft hover:bg-raised hover:text-ink"
          aria-label={`Copy: ${title}`}
        >
          {copied ? <Check size={13} className="text-good" aria-hidden /> : <Copy size={13} aria-hidden />}
          <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
        </button>
      }
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <pre className="overflow-x-auto px-4 py-3 font-mono text-[12.5px] leading-relaxed" tabIndex={0}>
        {text}
      </pre>
    </Panel>
  );
}

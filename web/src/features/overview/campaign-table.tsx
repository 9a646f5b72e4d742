'use client';

import { ArrowDown, ArrowUp, Megaphone } from 'lucide-react';
import { useMemo, useState } from 'react';
import { Empty } from '../../components/states.tsx';
import { formatCount, formatMoney, formatShare } from '../../lib/format.ts';
import type { CampaignFigures, LiveMetrics } from './queries.ts';
import { creditOf, type SortKey, sortCampaigns } from './sort-campaigns.ts';

interface Column {
  readonly key: SortKey;
  readonly label: string;
  readonly help: string;
  readonly show: (campaign: CampaignFigures, live: ReadonlyMap<string, number>) => string;
}

const columns: readonly Column[] = [
  { key: 'spend', label: 'Spend', help: 'What the campaign cost in the period', show: (c) => formatMoney(c.spend) },
  {
    key: 'installs',
    label: 'Installs',
    help: 'Installs whose active decision names the campaign',
    show: (c) => formatCount(c.installs),
  },
  {
    key: 'live',
    label: 'Live',
    help: 'Installs in the live window above',
    show: (c, live) => formatCount(live.get(c.id) ?? 0),
  },
  {
    key: 'revenue',
    label: 'Revenue',
    help: 'Purchases and ad revenue minus refunds of the people it brought',
    show: (c) => formatMoney(c.revenue),
  },
  {
    key: 'roas',
    label: 'ROAS',
    help: 'Return on ad spend: revenue ÷ spend',
    show: (c) => (c.roas === null ? '–' : formatShare(c.roas)),
  },
  {
    key: 'first',
    label: 'First',
    help: 'Conversions credited by first touch',
    show: (c) => credit(creditOf(c, 'first')),
  },
  { key: 'last', label: 'Last', help: 'Conversions credited by last touch', show: (c) => credit(creditOf(c, 'last')) },
  {
    key: 'linear',
    label: 'Linear',
    help: 'Conversions credited in equal shares to every touch',
    show: (c) => credit(creditOf(c, 'linear')),
  },
  {
    key: 'ltv',
    label: 'pLTV',
    help: 'Predicted lifetime value of one install at 90 days',
    show: (c) => (c.predictedLtv.perInstall ? formatMoney(c.predictedLtv.perInstall) : '–'),
  },
  {
    key: 'fraud',
    label: 'Fraud',
    help: 'Share of scored installs judged fraudulent',
    show: (c) => (c.fraud.rate === null ? '–' : formatShare(c.fraud.rate, undefined, 1)),
  },
];

const credit = (value: number): string => new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(value);

export function CampaignTable({
  campaigns,
  live,
}: {
  campaigns: readonly CampaignFigures[];
  live: LiveMetrics | null;
}) {
  const [sort, setSort] = useState<{ key: SortKey; descending: boolean }>({ key: 'spend', descending: true });
  const liveInstalls = useMemo(
    () =>
      new Map((live?.rows ?? []).flatMap((row) => (row.campaign ? [[row.campaign.id, row.installs] as const] : []))),
    [live],
  );
  const rows = sortCampaigns(campaigns, sort.key, sort.descending, liveInstalls);
  const organic = live?.rows.find((row) => row.campaign === null);
  if (campaigns.length === 0) {
    return (
      <Empty icon={<Megaphone size={18} aria-hidden />} title="No campaigns yet">
        Campaigns, their tracking links and costs appear here once they exist. Until then every install is organic.
      </Empty>
    );
  }
  return (
    <>
      <ul className="divide-y divide-line md:hidden">
        {rows.map((campaign) => (
          <li key={campaign.id} className="px-4 py-3.5">
            <Name campaign={campaign} />
            <dl className="tabular mt-2.5 grid grid-cols-4 gap-x-3 gap-y-2.5">
              {columns.map((column) => (
                <div key={column.key}>
                  <dt className="text-[11.5px] text-soft">{column.label}</dt>
                  <dd className="font-medium">
                    <Figure column={column} campaign={campaign} live={liveInstalls} />
                  </dd>
                </div>
              ))}
            </dl>
          </li>
        ))}
      </ul>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section aria-label="Campaign figures" className="hidden overflow-x-auto md:block" tabIndex={0}>
        <table className="tabular w-full min-w-[980px] border-collapse text-right">
          <thead>
            <tr className="text-[12.5px] text-soft">
              <Heading label="Campaign" sort={sort} sortKey="name" onSort={setSort} left />
              {columns.map((column) => (
                <Heading
                  key={column.key}
                  label={column.label}
                  help={column.help}
                  sort={sort}
                  sortKey={column.key}
                  onSort={setSort}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((campaign) => (
              <tr
                key={campaign.id}
                data-campaign={campaign.id}
                className="border-t border-line transition-colors hover:bg-raised"
              >
                <th scope="row" className="py-2.5 pl-4 pr-3 text-left font-normal">
                  <Name campaign={campaign} />
                </th>
                {columns.map((column) => (
                  <td key={column.key} className="px-3 py-2.5 last:pr-4">
                    <Figure column={column} campaign={campaign} live={liveInstalls} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {organic && (
        <p className="tabular border-t border-line px-4 py-2.5 text-[12.5px] text-soft">
          Organic in the live window: {formatCount(organic.installs)} installs, {formatCount(organic.sessions)}{' '}
          sessions, {formatMoney(organic.revenue)}.
        </p>
      )}
    </>
  );
}

function Name({ campaign }: { campaign: CampaignFigures }) {
  return (
    <span className="flex flex-col">
      <span className="font-medium">{campaign.name}</span>
      <span className="text-[12.5px] text-soft">{campaign.network ?? 'No network'}</span>
    </span>
  );
}

function Figure({
  column,
  campaign,
  live,
}: {
  column: Column;
  campaign: CampaignFigures;
  live: ReadonlyMap<string, number>;
}) {
  const text = column.show(campaign, live);
  if (column.key === 'roas' && campaign.roas !== null)
    return <Tag tone={campaign.roas >= 1 ? 'good' : campaign.roas >= 0.5 ? 'warn' : 'bad'}>{text}</Tag>;
  if (column.key === 'fraud' && (campaign.fraud.rate ?? 0) >= 0.1) return <Tag tone="bad">{text}</Tag>;
  if (column.key === 'live')
    return (
      <span key={text} className="settle text-accent">
        {text}
      </span>
    );
  return <>{text}</>;
}

const tones = { good: 'bg-good-soft text-good', warn: 'bg-warn-soft text-warn', bad: 'bg-bad-soft text-bad' } as const;

export function Tag({ tone, children }: { tone: keyof typeof tones; children: string }) {
  return <span className={`inline-block rounded-md px-1.5 py-0.5 font-medium ${tones[tone]}`}>{children}</span>;
}

function Heading(props: {
  label: string;
  help?: string;
  sort: { key: SortKey; descending: boolean };
  sortKey: SortKey;
  onSort: (sort: { key: SortKey; descending: boolean }) => void;
  left?: boolean;
}) {
  const active = props.sort.key === props.sortKey;
  const Icon = props.sort.descending ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      aria-sort={active ? (props.sort.descending ? 'descending' : 'ascending') : 'none'}
      className={`whitespace-nowrap py-2 font-medium ${props.left ? 'pl-4 pr-3 text-left' : 'px-3 last:pr-4'}`}
    >
      <button
        type="button"
        title={props.help}
        onClick={() =>
          props.onSort({ key: props.sortKey, descending: active ? !props.sort.descending : props.sortKey !== 'name' })
        }
        className={`inline-flex items-center gap-1 hover:text-ink ${active ? 'text-ink' : ''}`}
      >
        {props.label}
        {active && <Icon size={12} aria-hidden />}
      </button>
    </th>
  );
}

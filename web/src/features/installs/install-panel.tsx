'use client';

import { Check, Eye, MousePointerClick, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useQuery } from 'urql';
import { GraphProblem, Skeleton } from '../../components/states.tsx';
import { formatDuration, formatEnum, formatMoney, formatTime } from '../../lib/format.ts';
import { FraudTag } from './fraud-tag.tsx';
import { type Decision, type InstallDetail, installQuery } from './queries.ts';

/** Why this install was given to this campaign: the rule, every candidate with its reason, and every revision. */
export function InstallPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const [{ data, error }, reload] = useQuery({ query: installQuery, variables: { id } });
  return (
    <aside
      aria-label="Install"
      className="rounded-xl border border-line bg-panel shadow-panel xl:sticky xl:top-6 xl:max-h-[calc(100dvh-48px)] xl:overflow-y-auto"
    >
      <div className="flex items-start justify-between gap-3 border-b border-line px-4 py-3">
        <div className="min-w-0">
          <h2 className="font-medium">Why this attribution</h2>
          <p className="truncate font-mono text-[11.5px] text-soft" title={id}>
            {id}
          </p>
        </div>
        <button
          type="button"
          onClick={onClose}
          aria-label="Close"
          className="grid size-7 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-ink"
        >
          <X size={16} aria-hidden />
        </button>
      </div>
      {error && !data && (
        <div className="p-4">
          <GraphProblem what="The install" error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
        </div>
      )}
      {!data && !error && (
        <div className="space-y-3 p-4">
          <Skeleton className="h-16" />
          <Skeleton className="h-28" />
          <Skeleton className="h-20" />
        </div>
      )}
      {data && !data.install && <p className="p-4 text-soft">There is no such install.</p>}
      {data?.install && <Detail install={data.install} />}
    </aside>
  );
}

function Detail({ install }: { install: InstallDetail }) {
  const { attribution } = install;
  return (
    <div className="divide-y divide-line">
      <div className="px-4 py-3.5">
        <p className="text-[12.5px] text-soft">Attributed to</p>
        <p className="text-[19px] font-semibold tracking-tight">
          {install.campaign?.name ?? (attribution ? 'Organic' : 'Being decided')}
        </p>
        {attribution && <p className="mt-1 text-soft">{attribution.explanation}</p>}
        <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-2.5 text-[13px] sm:grid-cols-3">
          <Fact name="Rule">{attribution ? formatEnum(attribution.rule) : '–'}</Fact>
          <Fact name="Click to install">
            {attribution?.ctitSeconds == null ? '–' : formatDuration(attribution.ctitSeconds)}
          </Fact>
          <Fact name="Kind">{attribution ? formatEnum(attribution.verdict) : '–'}</Fact>
          <Fact name="Installed">{formatTime(install.installedAt)}</Fact>
          <Fact name="Country">{install.country ?? '–'}</Fact>
          <Fact name="Predicted LTV">
            {install.predictedLtv
              ? `${formatMoney(install.predictedLtv.value)} / ${install.predictedLtv.horizonDays} d`
              : '–'}
          </Fact>
        </dl>
      </div>
      <Section title={`Candidates seen (${attribution?.candidates.length ?? 0})`}>
        {attribution && attribution.candidates.length === 0 && (
          <p className="text-soft">No click or impression of this device was seen.</p>
        )}
        <ol className="space-y-2">
          {attribution?.candidates.map((candidate) => (
            <CandidateRow key={candidate.touchpointId} candidate={candidate} />
          ))}
        </ol>
      </Section>
      <Section title="Fraud">
        <div className="flex flex-wrap items-center gap-2">
          <FraudTag fraud={install.fraud} />
          {install.fraud?.reasons.map((reason) => (
            <span key={reason} className="rounded-md border border-line px-1.5 py-0.5 text-[12.5px] text-soft">
              {formatEnum(reason)}
            </span>
          ))}
          {install.fraud && (
            <span className="ml-auto font-mono text-[11.5px] text-soft">
              {install.fraud.model}@{install.fraud.modelVersion}
            </span>
          )}
        </div>
      </Section>
      <Section title="History">
        <ol className="space-y-1.5">
          {[...install.history]
            .sort((a, b) => b.revision - a.revision)
            .map((entry, index) => (
              <li key={entry.revision} className="flex flex-wrap items-baseline gap-x-2 text-[13px]">
                <span
                  className={`tabular rounded-md px-1.5 font-medium ${index === 0 ? 'bg-accent-soft text-accent' : 'bg-raised text-soft'}`}
                >
                  {entry.revision}
                </span>
                <span className="font-medium">{entry.campaign?.name ?? 'Organic'}</span>
                <span className="text-soft">{formatEnum(entry.trigger)}</span>
                <span className="tabular ml-auto text-[12.5px] text-soft">{formatTime(entry.decidedAt)}</span>
              </li>
            ))}
        </ol>
      </Section>
    </div>
  );
}

function CandidateRow({ candidate }: { candidate: Decision['candidates'][number] }) {
  const won = candidate.reason === 'WON';
  const Icon = candidate.kind === 'CLICK' ? MousePointerClick : Eye;
  return (
    <li className={`rounded-lg border px-3 py-2.5 ${won ? 'border-good bg-good-soft' : 'border-line'}`}>
      <div className="flex items-center gap-2">
        <Icon size={14} className={won ? 'text-good' : 'text-faint'} aria-hidden />
        <span className="min-w-0 truncate font-medium">{candidate.campaign?.name ?? 'Unknown campaign'}</span>
        <span
          className={`ml-auto flex shrink-0 items-center gap-1 text-[12.5px] font-medium ${won ? 'text-good' : 'text-soft'}`}
        >
          {won && <Check size={13} aria-hidden />}
          {formatEnum(candidate.reason)}
        </span>
      </div>
      <p className="mt-1 text-[13px] text-soft">{candidate.explanation}</p>
      <p className="tabular mt-1 text-[12px] text-soft">
        {formatTime(candidate.occurredAt)} · {formatDuration(candidate.ctitSeconds)} before · matched by{' '}
        {formatEnum(candidate.matchKey).toLowerCase()} · window {candidate.windowHours} h
      </p>
    </li>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="px-4 py-3.5" aria-label={title}>
      <h3 className="mb-2 text-[12.5px] font-medium text-soft">{title}</h3>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-[12px] text-soft">{name}</dt>
      <dd className="tabular font-medium">{children}</dd>
    </div>
  );
}

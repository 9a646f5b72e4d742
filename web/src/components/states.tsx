'use client';

import { AlertTriangle, RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import type { CombinedError } from 'urql';

export function Skeleton({ className = '' }: { className?: string }) {
  return <div className={`skeleton ${className}`} aria-hidden="true" />;
}

export function PageSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="space-y-4">
      <Skeleton className="h-7 w-40" />
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {['a', 'b', 'c', 'd'].map((key) => (
          <Skeleton key={key} className="h-28" />
        ))}
      </div>
      <Skeleton className="h-64" />
    </div>
  );
}

/** Something went wrong: what, what to do, and the id by which the operator finds it. */
export function Problem({
  title,
  text,
  requestId,
  onRetry,
}: {
  title: string;
  text: string;
  requestId?: string | null;
  onRetry?: () => void;
}) {
  return (
    <div
      role="alert"
      className="flex flex-wrap items-start gap-3 rounded-xl border border-line bg-bad-soft px-4 py-3.5"
    >
      <AlertTriangle size={17} className="mt-0.5 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{title}</p>
        <p className="text-soft">{text}</p>
        {requestId && <p className="mt-1 font-mono text-[12px] text-soft">Request {requestId}</p>}
      </div>
      {onRetry && (
        <button
          type="button"
          onClick={onRetry}
          className="flex items-center gap-1.5 rounded-md border border-line-strong bg-panel px-2.5 py-1 font-medium hover:bg-raised"
        >
          <RotateCw size={13} aria-hidden /> Try again
        </button>
      )}
    </div>
  );
}

export function GraphProblem({ what, error, onRetry }: { what: string; error: CombinedError; onRetry?: () => void }) {
  const first = error.graphQLErrors[0];
  const requestId = first?.extensions?.requestId;
  return (
    <Problem
      title={`${what} could not be loaded`}
      text={
        error.networkError
          ? 'The server cannot be reached.'
          : `${first?.message ?? error.message}${first?.extensions?.code ? ` (${String(first.extensions.code)})` : ''}`
      }
      requestId={typeof requestId === 'string' ? requestId : null}
      {...(onRetry ? { onRetry } : {})}
    />
  );
}

export function Empty({ icon, title, children }: { icon: ReactNode; title: string; children: ReactNode }) {
  return (
    <div className="grid place-items-center gap-2 px-6 py-12 text-center">
      <div className="grid size-10 place-items-center rounded-full bg-raised text-faint">{icon}</div>
      <p className="font-medium">{title}</p>
      <div className="max-w-md text-soft">{children}</div>
    </div>
  );
}

export function Panel({
  title,
  aside,
  children,
  className = '',
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <section aria-label={title} className={`rounded-xl border border-line bg-panel shadow-panel ${className}`}>
      <div className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-2.5">
        <h2 className="font-medium">{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** A row of choices of which one holds. */
export function Segmented<T extends string>({
  label,
  options,
  value,
  onChange,
}: {
  label: string;
  options: readonly { value: T; label: string }[];
  value: T;
  onChange: (value: T) => void;
}) {
  return (
    <fieldset className="flex rounded-lg border border-line bg-raised p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className={`cursor-pointer rounded-md px-2.5 py-1 text-[13px] transition-colors has-focus-visible:outline-2 has-focus-visible:outline-accent ${option.value === value ? 'bg-panel font-medium text-ink shadow-panel' : 'text-soft hover:text-ink'}`}
        >
          <input
            type="radio"
            className="sr-only"
            name={label}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}

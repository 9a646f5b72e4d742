/** The last samples as a line; decorative, since the number stands above it. */
export function Sparkline({ values }: { values: readonly number[] }) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const points = values.map(
    (value, index) =>
      [(index / (values.length - 1)) * 100, high === low ? 24 : 28 - ((value - low) / span) * 22] as const,
  );
  const line = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(2)} ${y.toFixed(2)}`).join('');
  return (
    <svg viewBox="0 0 100 32" preserveAspectRatio="none" className="size-full" aria-hidden="true">
      <path d={`${line}L100 32L0 32Z`} fill="var(--accent)" opacity="0.09" />
      <path
        d={line}
        fill="none"
        stroke="var(--accent)"
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** Two streams that become one. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden="true">
      <path d="M4 3v4.5c0 4.2 8 4.3 8 9V21" stroke="var(--accent)" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M20 3v4.5c0 4.2-8 4.3-8 9" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" opacity="0.8" />
    </svg>
  );
}

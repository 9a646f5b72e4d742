const tones = { CLEAN: 'text-soft', SUSPECT: 'bg-warn-soft text-warn', FRAUD: 'bg-bad-soft text-bad' } as const;
const words = { CLEAN: 'Clean', SUSPECT: 'Suspect', FRAUD: 'Fraud' } as const;

export function FraudTag({
  fraud,
}: {
  fraud: { readonly score: number; readonly verdict: keyof typeof tones } | null;
}) {
  if (!fraud) return <span className="text-[12.5px] text-soft">Not scored</span>;
  return (
    <span
      className={`tabular justify-self-end whitespace-nowrap rounded-md px-1.5 py-0.5 text-[12.5px] font-medium ${tones[fraud.verdict]}`}
      title="Fraud score from 0 to 1"
    >
      {words[fraud.verdict]} {fraud.score.toFixed(2)}
    </span>
  );
}

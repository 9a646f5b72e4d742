/** The next page of a list. */
export function MoreButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <div className="border-t border-line p-3 text-center">
      <button
        type="button"
        onClick={onClick}
        className="rounded-md border border-line-strong px-3 py-1.5 font-medium hover:bg-raised"
      >
        {label}
      </button>
    </div>
  );
}

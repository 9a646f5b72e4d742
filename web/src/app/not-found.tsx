import Link from 'next/link';
import { Logo } from '../components/logo.tsx';

export default function NotFound() {
  return (
    <main className="grid min-h-dvh place-items-center px-4">
      <div className="text-center">
        <div className="mb-4 flex justify-center">
          <Logo size={32} />
        </div>
        <h1 className="text-[19px] font-semibold tracking-tight">There is no such page</h1>
        <p className="mt-1 text-soft">The address may be mistyped.</p>
        <Link
          href="/overview"
          className="mt-4 inline-block rounded-md border border-line-strong px-3 py-1.5 font-medium hover:bg-raised"
        >
          Go to the overview
        </Link>
      </div>
    </main>
  );
}

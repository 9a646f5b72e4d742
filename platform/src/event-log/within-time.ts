import { CodedError } from '@tributary/schema';

/** The result of `work`, or LOG_UNAVAILABLE when it takes longer; the work itself goes on. */
export async function withinTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new CodedError('LOG_UNAVAILABLE', { message: `The event log took longer than ${timeoutMs} ms.` })),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

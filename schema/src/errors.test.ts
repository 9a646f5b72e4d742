import { readFile } from 'node:fs/promises';
import { CodedError, errorBody, errorCatalogue, toCodedError } from './errors.ts';

const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const documented = new Map(
  [...page.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (yes|no) \| (.*?) \|/gm)].map((match) => [match[1]!, match]),
);

describe('the error catalogue', () => {
  it.each(Object.entries(errorCatalogue))('documents %s with its status, retry and text', (code, entry) => {
    const line = documented.get(code);
    expect(line?.slice(2, 5)).toEqual([String(entry.http), entry.retryable ? 'yes' : 'no', entry.text]);
  });

  it('documents no code that is gone', () => {
    expect([...documented.keys()].filter((code) => !(code in errorCatalogue))).toEqual([]);
  });

  it('gives callers the code and text, never the cause', () => {
    const error = toCodedError(new Error('password=hunter2'));
    expect(error.code).toBe('INTERNAL');
    expect(JSON.stringify(errorBody(error, 'req_1'))).not.toContain('hunter2');
    expect(toCodedError(new CodedError('NOT_FOUND')).http).toBe(404);
  });
});

import { STATUS_CODES } from 'node:http';
import type { CollectorResponse } from '../core.ts';
import { corsHeaders } from '../server.ts';

/** Heads of answers, without what differs from request to request and the empty line at the end. All ASCII. */
export interface AnswerHeads {
  /** Throws where a header holds what none may. */
  of(answer: CollectorResponse): string;
  /** To be called about every second: the time in answers is that of the last call. */
  tick(): void;
}

const value = /^[\t -~]*$/;

export function createAnswerHeads(): AnswerHeads {
  // Most answers have the same head.
  let last: { readonly status: number; readonly headers: CollectorResponse['headers']; readonly text: string } | null;
  let date: string;
  const tick = (): void => {
    date = new Date().toUTCString();
    last = null;
  };
  tick();
  return {
    of({ status, headers }) {
      if (last?.status === status && last.headers === headers) return last.text;
      let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ndate: ${date}\r\n`;
      for (const name in corsHeaders) if (headers[name] === undefined) text += `${name}: ${corsHeaders[name]}\r\n`;
      for (const name in headers) {
        if (name === 'content-length') continue;
        if (!value.test(headers[name]!)) throw new Error(`the header ${name} holds what no header may`);
        text += `${name}: ${headers[name]}\r\n`;
      }
      last = { status, headers, text };
      return text;
    },
    tick,
  };
}

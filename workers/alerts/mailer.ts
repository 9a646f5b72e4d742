import type { Config } from '@tributary/schema';
import { createTransport } from 'nodemailer';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Resolves once the mail server took it. Rejects with its refusal. */
  send(mail: Mail): Promise<void>;
  dispose(): void;
}

/** Null when no mail server is configured. */
export function createMailer({ smtpUrl, from }: Config['mail']): Mailer | null {
  if (smtpUrl === null) return null;
  const transport = createTransport(smtpUrl, {
    from,
    // A message holds nothing but what is in this process.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail) {
      await transport.sendMail(mail);
    },
    dispose: () => transport.close(),
  };
}

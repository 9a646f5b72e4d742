import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, type Config } from '@tributary/schema';

const fileName = 'signing-secret';
const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/**
 * The secret that signs callers and sessions: the configured one, else 32 random bytes (base64url) kept in the data
 * directory, readable by its owner only. All processes that start at once get the same. Throws CONFIG_INVALID when
 * the file holds something else.
 */
export async function readOrCreateSigningSecret(config: Pick<Config, 'signingSecret' | 'dataDir'>): Promise<string> {
  if (config.signingSecret !== null) return config.signingSecret;
  const path = join(config.dataDir, fileName);
  return (await readSecret(path)) ?? (await createSecret(config.dataDir, path));
}

async function createSecret(dir: string, path: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // A link is made whole or not at all, and only one process can make it; renaming would overwrite the other's.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  const secret = await readSecret(path);
  if (secret === null) throw new CodedError('INTERNAL', { message: `${path} was removed while it was made.` });
  return secret;
}

async function readSecret(path: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const secret = text.trim();
  if (!secretPattern.test(secret)) {
    throw new CodedError('CONFIG_INVALID', {
      message: `${path} does not hold a secret of ours. Remove it (sessions end), or set TRIBUTARY_SIGNING_SECRET.`,
    });
  }
  return secret;
}

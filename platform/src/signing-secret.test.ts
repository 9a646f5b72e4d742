import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOrCreateSigningSecret } from './signing-secret.ts';

describe('readOrCreateSigningSecret', () => {
  let root: string;
  let dataDir: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'tributary-secret-'));
    dataDir = join(root, 'data');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('gives the configured secret and keeps nothing', async () => {
    const signingSecret = 's'.repeat(32);
    expect(await readOrCreateSigningSecret({ signingSecret, dataDir })).toBe(signingSecret);
    expect(await readdir(root)).toEqual([]);
  });

  it('makes one of 32 bytes that only its owner may read, and gives it again', async () => {
    const secret = await readOrCreateSigningSecret({ signingSecret: null, dataDir });
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect((await stat(join(dataDir, 'signing-secret'))).mode & 0o777).toBe(0o600);
    expect(await readOrCreateSigningSecret({ signingSecret: null, dataDir })).toBe(secret);
  });

  it('gives all who start at once the same, and leaves no draft behind', async () => {
    const secrets = await Promise.all(
      Array.from({ length: 20 }, () => readOrCreateSigningSecret({ signingSecret: null, dataDir })),
    );
    expect(new Set(secrets).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(['signing-secret']);
  });

  it('refuses a file that holds something else', async () => {
    const path = join(dataDir, 'signing-secret');
    await readOrCreateSigningSecret({ signingSecret: null, dataDir });
    await writeFile(path, 'guess');
    await chmod(path, 0o600);
    await expect(readOrCreateSigningSecret({ signingSecret: null, dataDir })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBlobStore } from '../blob-store.contract.ts';
import { openDirectoryBlobStore } from './directory.ts';

const dir = mkdtempSync(join(tmpdir(), 'tributary-blobs-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describeBlobStore('directory', () => openDirectoryBlobStore({ dir: join(dir, 'exports') }));

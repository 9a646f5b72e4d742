import { readFile, writeFile } from 'node:fs/promises';
import { composeSupergraph } from '@tributary/gateway';
import { createLogger } from '@tributary/platform/logger';
import { loadConfig } from '@tributary/schema';
import { createAttributionSubgraph } from '@tributary/subgraphs/attribution';
import { createCampaignsSubgraph } from '@tributary/subgraphs/campaigns';
import { createEventsSubgraph } from '@tributary/subgraphs/events';
import { createPredictionsSubgraph } from '@tributary/subgraphs/predictions';

/**
 * Prints the SDL of each subgraph and the composed supergraph, and holds them against the files in schema/graphql:
 * `node .ci/sdl.ts` fails where they differ, `--write` writes them. The graph is built without any store.
 */
const folder = new URL('../schema/graphql/', import.meta.url);

/** A port that must not be asked while a schema is built. */
const inert = (name: string) =>
  new Proxy(
    {},
    {
      get: (_, property) => {
        // A wired subgraph may listen for changes; nothing will change here.
        if (property === 'onChange' || property === 'subscribe') return () => () => undefined;
        if (property === 'then') return undefined;
        return () => {
          throw new Error(`${name}.${String(property)} was asked while building the schema`);
        };
      },
    },
  ) as never;

const deps = {
  warehouse: inert('warehouse'),
  directory: inert('directory'),
  liveBus: inert('liveBus'),
  cache: inert('cache'),
  relational: inert('relational'),
  clock: { now: () => 0 },
  logger: createLogger('sdl', 'silent'),
  config: loadConfig({}),
  signingSecret: 'only for building the schema, never signs',
};

const subgraphs = [
  createEventsSubgraph(deps),
  createCampaignsSubgraph(deps),
  createAttributionSubgraph(deps),
  createPredictionsSubgraph(deps),
];
const files = new Map(subgraphs.map((subgraph) => [`${subgraph.name}.graphql`, subgraph.sdl]));
files.set('supergraph.graphql', composeSupergraph(subgraphs.map(({ name, sdl }) => ({ name, sdl }))));

const write = process.argv.includes('--write');
const different: string[] = [];
for (const [name, sdl] of files) {
  const text = `${sdl.trimEnd()}\n`;
  const kept = await readFile(new URL(name, folder), 'utf8').catch(() => '');
  if (kept === text) continue;
  different.push(name);
  if (write) await writeFile(new URL(name, folder), text);
}
for (const subgraph of subgraphs) await subgraph.dispose();
if (different.length === 0) console.log('The SDL files are those of the code.');
else if (write) console.log(`Written: ${different.join(', ')}`);
else {
  console.error(`Not those of the code: ${different.join(', ')}. Look at the change, then \`npm run schema:update\`.`);
  process.exitCode = 1;
}

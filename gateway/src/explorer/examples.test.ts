import { readFile } from 'node:fs/promises';
import { parse, validate } from 'graphql';
import { buildSupergraph } from '../supergraph.ts';
import { exampleOperations } from './examples.ts';

describe('the explorer’s examples', () => {
  it.each(exampleOperations.map((example) => [example.title, example] as const))(
    '“%s” fits the composed graph',
    async (_title, { query }) => {
      const sdl = await readFile(new URL('../../../schema/graphql/supergraph.graphql', import.meta.url), 'utf8');
      expect(validate(buildSupergraph(sdl).schema, parse(query))).toEqual([]);
    },
  );
});

import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { composeServices } from '@apollo/composition';
import { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { jest } from '@jest/globals';
import { parse } from 'graphql';
import { createProductsSubgraph } from './products.testing.ts';

/**
 * Apollo's own federation subgraph compatibility suite (23 tests) against a `products` subgraph made with our kit. The suite
 * wants a router, Docker or rover and fixed ports; here its subgraphs, a gateway and its tests run on any free ports.
 */
jest.setTimeout(180_000);
const require = createRequire(import.meta.url);
const suite = dirname(require.resolve('@apollo/federation-subgraph-compatibility-tests/package.json'));
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

interface SuiteReport {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

describe('Apollo’s subgraph compatibility suite', () => {
  const children: ChildProcess[] = [];
  let folder: string;
  let products: Server;
  let apollo: ApolloServer;
  let productsUrl: string;
  let gatewayUrl: string;

  async function startSuiteSubgraph(name: string): Promise<string> {
    const child = fork(join(suite, 'dist/subgraphs', name, 'index.js'), {
      execArgv: ['--require', here('./listen-anywhere.testing.cjs')],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      cwd: join(suite, 'dist/subgraphs', name),
    });
    children.push(child);
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return `http://127.0.0.1:${port}/`;
  }
  const sdlOf = async (url: string): Promise<string> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ _service { sdl } }' }),
    });
    const { data } = (await response.json()) as { data: { _service: { sdl: string } } };
    return data._service.sdl;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tributary-compat-'));
    const { yoga } = createProductsSubgraph();
    products = createServer(yoga);
    await new Promise<void>((resolve) => products.listen(0, '127.0.0.1', resolve));
    productsUrl = `http://127.0.0.1:${(products.address() as AddressInfo).port}/`;
    const [users, inventory] = await Promise.all([startSuiteSubgraph('users'), startSuiteSubgraph('inventory')]);
    const services = await Promise.all(
      Object.entries({ products: productsUrl, users, inventory }).map(async ([name, url]) => ({
        name,
        url,
        typeDefs: parse(await sdlOf(url)),
      })),
    );
    const { supergraphSdl, errors } = composeServices(services);
    if (!supergraphSdl) throw new Error(errors?.map(({ message }) => message).join('\n'));
    process.env['APOLLO_TELEMETRY_DISABLED'] = '1';
    const gateway = new ApolloGateway({ supergraphSdl, logger: { debug() {}, info() {}, warn() {}, error() {} } });
    apollo = new ApolloServer({ gateway, stopOnTerminationSignals: false });
    gatewayUrl = (await startStandaloneServer(apollo, { listen: { port: 0, host: '127.0.0.1' } })).url;
  });

  afterAll(async () => {
    await apollo?.stop();
    await new Promise((resolve) => products.close(resolve));
    for (const child of children) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('passes 23 of 23', async () => {
    const config = join(folder, 'jest.json');
    const output = join(folder, 'report.json');
    await writeFile(
      config,
      JSON.stringify({
        rootDir: join(suite, 'dist/tests'),
        testEnvironment: 'node',
        haste: { retainAllFiles: true },
        testPathIgnorePatterns: [],
        transform: {},
        moduleNameMapper: { '^make-fetch-happen$': here('./suite-fetch.testing.cjs') },
      }),
    );
    const bin = join(dirname(require.resolve('jest/package.json')), 'bin/jest.js');
    await new Promise<void>((resolve) => {
      const args = [bin, '--config', config, '--json', '--outputFile', output, '--runInBand', '--no-cache'];
      const env = {
        ...process.env,
        PRODUCTS_URL: productsUrl,
        GATEWAY_PORT: new URL(gatewayUrl).port,
        NODE_OPTIONS: '',
      };
      execFile(process.execPath, args, { env, maxBuffer: 16_777_216 }, () => resolve());
    });
    const report = JSON.parse(await readFile(output, 'utf8')) as SuiteReport;
    const failed = report.testResults.flatMap(({ message, assertionResults }) =>
      assertionResults.filter(({ status }) => status !== 'passed').map(({ fullName }) => `${fullName}: ${message}`),
    );
    expect(failed).toEqual([]);
    console.log(`subgraph compatibility: ${report.numPassedTests}/${report.numTotalTests}`);
    expect([report.numPassedTests, report.numTotalTests]).toEqual([23, 23]);
  });
});

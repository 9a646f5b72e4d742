import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openEmbeddedProduct, type Product } from './product.testing.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the examples, run as their README says,', () => {
  let product: Product;
  beforeAll(async () => {
    product = await openEmbeddedProduct();
  }, 200_000);
  afterAll(() => product?.dispose(), 60_000);

  const outputOf = async (command: string, args: readonly string[], env: Record<string, string> = {}) => {
    const { stdout } = await run(command, [...args], {
      cwd: root,
      timeout: 60_000,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        GRAPHQL_URL: `${product.gatewayUrl}/graphql`,
        API_KEY: product.apiKey,
        ...env,
      },
    });
    return stdout;
  };
  const everyCampaign = () => expect.stringMatching(/Autumn launch[\s\S]*Evergreen video[\s\S]*Win back/);

  it('print the campaigns with curl', async () => {
    expect(await outputOf('sh', ['examples/curl/campaigns.sh'])).toMatch(
      /"name":"Autumn launch","spend":\{"amount":"\d/,
    );
  });

  it('print the campaigns with Python', async () => {
    expect(await outputOf('python3', ['examples/python/campaigns.py'])).toEqual(everyCampaign());
  });

  it('say the code of an error with Python', async () => {
    await expect(outputOf('python3', ['examples/python/campaigns.py'], { API_KEY: 'nobody' })).rejects.toMatchObject({
      stderr: expect.stringContaining('UNAUTHENTICATED'),
    });
  });

  it('print the campaigns with the typed client', async () => {
    expect(await outputOf(process.execPath, ['examples/typescript/campaigns.ts'])).toEqual(everyCampaign());
  });

  it('follow live metrics with the typed client', async () => {
    const output = await outputOf(process.execPath, ['examples/typescript/live.ts'], { PAYLOADS: '1' });
    expect(output).toMatch(/^\d{4}-\d\d-\d\dT\S+ {2}installs \d+ {2}sessions \d+\n$/);
  });
});

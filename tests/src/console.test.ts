import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { temporaryDir, until } from './family.testing.ts';
import { openEmbeddedProduct, type Product } from './product.testing.ts';

const executablePath = process.env['TRIBUTARY_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const screenshots = process.env['TRIBUTARY_TEST_SCREENSHOTS'];

const sizes = [
  { name: 'desktop', width: 1440, height: 900 },
  { name: 'phone', width: 390, height: 844 },
] as const;
const schemes = ['light', 'dark'] as const;

if (existsSync(executablePath)) describe('the console in Chromium', describeConsole);
else {
  describe.skip('the console in Chromium [needs Chromium at /usr/bin/chromium or TRIBUTARY_TEST_CHROMIUM]', () => {
    it('is not run', () => undefined);
  });
}

function describeConsole(): void {
  let product: Product;
  let browser: Browser;
  let profile: Awaited<ReturnType<typeof temporaryDir>>;

  beforeAll(async () => {
    profile = await temporaryDir();
    product = await openEmbeddedProduct();
    browser = await chromium.launch({
      executablePath,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    if (screenshots) await mkdir(screenshots, { recursive: true });
  }, 200_000);

  afterAll(async () => {
    await browser?.close();
    await product?.dispose();
    await profile?.dispose();
  }, 120_000);

  const send = async (events: readonly object[]) => {
    const response = await fetch(`${product.collectorUrl}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${product.app.writeKey}` },
      body: JSON.stringify({ batch: events }),
    });
    expect(response.status).toBe(200);
  };
  const open = async (size: (typeof sizes)[number], scheme: (typeof schemes)[number]) => {
    const context = await browser.newContext({ viewport: size, colorScheme: scheme });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      // A refused first look at the session is how the page learns that nobody is signed in.
      if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    return { page, faults, close: () => context.close() };
  };
  const signIn = async (page: Page) => {
    await page.goto(product.gatewayUrl);
    await page.getByLabel('API key').fill(product.apiKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/overview**');
  };
  const tile = (page: Page, name: string) => page.locator(`[data-tile="${name}"] p`).nth(1);

  it('refuses a wrong key with a clear message', async () => {
    const { page, close } = await open(sizes[0], 'light');
    await page.goto(product.gatewayUrl);
    await page.getByLabel('API key').fill('not-a-key');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').first().waitFor();
    expect(await page.locator('#sign-in-failure').textContent()).toMatch(/key/i);
    await close();
  }, 60_000);

  it('shows a number change by subscription, without a reload', async () => {
    const { page, faults, close } = await open(sizes[0], 'light');
    await signIn(page);
    await page.getByRole('combobox').selectOption(product.app.appId);
    await until(async () => /^\d/.test((await tile(page, 'Sessions').textContent()) ?? ''), 20_000);
    const loads = await page.evaluate(() => performance.getEntriesByType('navigation').length);
    const before = Number((await tile(page, 'Sessions').textContent())!.replace(/\D/g, ''));
    await send(
      Array.from({ length: 7 }, () => ({
        event_name: 'session_start',
        event_id: randomUUID(),
        anonymous_id: randomUUID(),
        occurred_at: Date.now(),
      })),
    );
    await until(
      async () => Number((await tile(page, 'Sessions').textContent())!.replace(/\D/g, '')) === before + 7,
      10_000,
    );
    expect(await page.evaluate(() => performance.getEntriesByType('navigation').length)).toBe(loads);
    expect(faults).toEqual([]);
    await close();
  }, 90_000);

  it('explains an install: rule, candidates, history', async () => {
    const campaign = product.app.campaigns[0]!;
    const gaid = randomUUID();
    await fetch(`${product.collectorUrl}/c/${campaign.slug}?gaid=${gaid}`, { redirect: 'manual' });
    await send([
      {
        event_name: 'install',
        event_id: randomUUID(),
        anonymous_id: randomUUID(),
        gaid,
        occurred_at: Date.now() + 3_000,
        country: 'DE',
      },
    ]);
    const { page, faults, close } = await open(sizes[0], 'light');
    await signIn(page);
    await page.goto(`${product.gatewayUrl}/installs?app=${product.app.appId}`);
    const row = page.locator('main li button').first();
    await until(async () => {
      await page.reload();
      await row.waitFor({ timeout: 3_000 });
      return (await row.textContent())?.includes('Click, device id') ?? false;
    }, 30_000);
    await row.click();
    await page.getByRole('heading', { name: 'Why this attribution' }).waitFor();
    await page.getByText('Won', { exact: true }).waitFor();
    if (screenshots) await page.screenshot({ path: join(screenshots, 'install-desktop-light.png'), fullPage: true });
    expect(faults).toEqual([]);
    await close();
  }, 120_000);

  describe.each(sizes)('at $width px', (size) => {
    it.each(schemes)(
      'has no serious fault of accessibility in the %s scheme',
      async (scheme) => {
        const { page, faults, close } = await open(size, scheme);
        await page.goto(product.gatewayUrl);
        await page.getByLabel('API key').waitFor();
        expect(await seriousFaults(page)).toEqual([]);
        if (screenshots) await page.screenshot({ path: join(screenshots, `sign-in-${size.name}-${scheme}.png`) });
        await signIn(page);
        for (const path of ['overview', 'installs', 'api-access']) {
          await page.goto(`${product.gatewayUrl}/${path}?app=${product.app.appId}`);
          await page.getByRole('status', { name: 'Loading' }).waitFor({ state: 'detached' });
          if (path === 'installs') await page.locator('main li button').first().click();
          await until(async () => (await page.locator('.skeleton').count()) === 0, 20_000);
          expect(await seriousFaults(page)).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
          if (screenshots)
            await page.screenshot({ path: join(screenshots, `${path}-${size.name}-${scheme}.png`), fullPage: true });
        }
        expect(faults).toEqual([]);
        await close();
      },
      120_000,
    );
  });
}

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeWindow {
  readonly axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
}

async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(await axeSource);
  const violations = await page.evaluate(async () => (await (globalThis as unknown as AxeWindow).axe.run()).violations);
  return violations
    .filter((fault) => fault.impact === 'serious' || fault.impact === 'critical')
    .map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

import { answersOf, buildCorpus, fill } from './parity.testing.ts';
import { questions } from './parity-questions.testing.ts';
import { openEmbeddedProduct, openProductOfRoles, type Product } from './product.testing.ts';

const postgresUrl = process.env['TRIBUTARY_TEST_POSTGRES_URL'];
const redisUrl = process.env['TRIBUTARY_TEST_REDIS_URL'];
const kafkaBrokers = process.env['TRIBUTARY_TEST_KAFKA_BROKERS'];

/** Titles of questions whose answer is a fault, on purpose. */
const faulty = /^(an unknown|a missing argument|a broken document|a range|a page|a report on a metric)/;

if (postgresUrl === undefined || redisUrl === undefined || kafkaBrokers === undefined)
  describe.skip('parity [needs TRIBUTARY_TEST_KAFKA_BROKERS, …POSTGRES_URL and …REDIS_URL]', () =>
    it('is not run', () => undefined));
else
  describe('the embedded and the server form', () => {
    let embedded: ReadonlyMap<string, string>;
    let servers: ReadonlyMap<string, string>;
    const corpus = buildCorpus(Date.now());
    const answersFrom = async (open: () => Promise<Product>) => {
      const product = await open();
      try {
        await fill(product, corpus);
        return await answersOf(product, corpus);
      } finally {
        await product.dispose();
      }
    };

    beforeAll(async () => {
      embedded = await answersFrom(openEmbeddedProduct);
      servers = await answersFrom(() => openProductOfRoles({ postgresUrl, redisUrl, kafkaBrokers }));
    }, 600_000);

    it('are asked fifty questions', () => expect(questions.length).toBeGreaterThanOrEqual(50));

    it.each(questions.map(({ title }) => title))('give byte-equal answers for the same input: %s', (title) => {
      expect(servers.get(title)).toBe(embedded.get(title));
      // Equal faults where figures were asked for would be no parity.
      expect(embedded.get(title)!.includes('"errors"')).toBe(faulty.test(title));
    });

    it('count what was sent, repeats once', () => {
      const { data } = JSON.parse(embedded.get('metrics of the range')!) as {
        data: { app: { metrics: { events: number; installs: number } } };
      };
      expect(data.app.metrics.installs).toBe(corpus.installs);
      // Clicks may lie before the range; everything else lies in it.
      const clicks = corpus.eventsFor(['x']).filter(({ event_name }) => event_name === 'click').length;
      expect(data.app.metrics.events).toBeGreaterThanOrEqual(corpus.events - clicks);
      expect(data.app.metrics.events).toBeLessThanOrEqual(corpus.events);
    });
  });

import { loadConfig } from './config.ts';
import { CodedError } from './errors.ts';

describe('loadConfig', () => {
  it('gives embedded defaults on loopback for an empty environment', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      host: '127.0.0.1',
      ports: { gateway: 4000, collector: 4001 },
      postgresUrl: null,
      redisUrl: null,
    });
    expect(Object.isFrozen(config.ports)).toBe(true);
  });

  it('lists every fault together', () => {
    const faulty = () => loadConfig({ TRIBUTARY_PORT: '70000', TRIBUTARY_REDIS_URL: 'http://x', TRIBUTARY_TYPO: '1' });
    expect(faulty).toThrow(CodedError);
    try {
      faulty();
    } catch (error) {
      const faults = (error as CodedError).details?.['faults'] as string[];
      expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual([
        'TRIBUTARY_PORT',
        'TRIBUTARY_REDIS_URL',
        'TRIBUTARY_TYPO',
      ]);
    }
  });

  it('takes an empty value as not set', () => {
    expect(loadConfig({ TRIBUTARY_REDIS_URL: '' }).redisUrl).toBeNull();
  });
});

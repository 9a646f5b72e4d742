import { CodedError } from '@tributary/schema';
import { ownUrl } from './own-url.ts';
import { buildProgram, configOf } from './program.ts';
import { parseRoles } from './serve-roles.ts';

describe('parseRoles', () => {
  it('takes a list of roles', () => {
    expect(parseRoles('collector, subgraph:events')).toEqual(['collector', 'subgraph:events']);
  });

  it.each(['nonsense', 'collector,nonsense', ''])('refuses %j and lists the roles there are', (text) => {
    expect(() => parseRoles(text)).toThrow(/There are: all, warehouse/);
  });
});

describe('configOf', () => {
  it('refuses to listen beyond loopback without being told that this is meant', () => {
    expect(() => configOf({}, { TRIBUTARY_HOST: '0.0.0.0' })).toThrow(CodedError);
    expect(configOf({}, { TRIBUTARY_HOST: '0.0.0.0', TRIBUTARY_INSECURE_OPEN: 'true' }).host).toBe('0.0.0.0');
  });

  it('lets the command line win over the environment', () => {
    expect(configOf({ TRIBUTARY_PORT: '5000' }, { TRIBUTARY_PORT: '6000' }).ports.gateway).toBe(6000);
  });
});

describe('the command line', () => {
  it('describes every command and option', () => {
    const program = buildProgram({});
    expect(program.commands.map((command) => command.name())).toEqual([
      'serve',
      'init',
      'migrate',
      'backup',
      'restore',
      'dead-letters',
      'replay',
      'rebuild',
      'export-app',
      'import-app',
      'simulate',
    ]);
    for (const command of program.commands) {
      expect(command.description()).not.toBe('');
      expect(command.options.filter((option) => option.description === '')).toEqual([]);
    }
  });
});

it('takes a setting behind the name of a subcommand, also where the command above has it too', async () => {
  const parse = buildProgram({}).parseAsync(
    ['replay', 'drop', '20261120120000000', '--data-dir', '/d', '--port', 'x'],
    { from: 'user' },
  );
  // The port is refused because it was read; nothing was opened.
  await expect(parse).rejects.toThrow(/TRIBUTARY_PORT/);
});

describe('ownUrl', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:1'],
    ['0.0.0.0', 'http://127.0.0.1:1'],
    ['127.0.0.2', 'http://127.0.0.2:1'],
    ['::', 'http://[::1]:1'],
    ['::1', 'http://[::1]:1'],
  ])('reaches a server at %s by %s', (host, url) => expect(ownUrl(host, 1)).toBe(url));
});

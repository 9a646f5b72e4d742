import { type InstallKeys, matchKeyOf, namesOneDevice, type TouchpointKeys } from './match-keys.ts';

const none: InstallKeys = {
  gaid: '',
  idfa: '',
  idfv: '',
  androidId: '',
  anonymousId: '',
  clickId: '',
  referrerClickId: '',
};
const { referrerClickId: _, ...noKeys } = none;
const touch = (keys: Partial<TouchpointKeys>): TouchpointKeys => ({ ...noKeys, ...keys });

describe('matchKeyOf', () => {
  it.each([
    ['nothing in common', none, noKeys, null],
    ['two empty ids', { ...none, gaid: '' }, touch({ gaid: '' }), null],
    [
      'the click id in the referrer',
      { ...none, referrerClickId: 'c', gaid: 'g' },
      touch({ clickId: 'c', gaid: 'g' }),
      'install_referrer',
    ],
    ['the click id', { ...none, clickId: 'c' }, touch({ clickId: 'c' }), 'click_id'],
    ['a gaid', { ...none, gaid: 'g' }, touch({ gaid: 'g' }), 'device_id'],
    ['an anonymous id', { ...none, anonymousId: 'n' }, touch({ anonymousId: 'n' }), 'device_id'],
    ['a gaid that is the other’s idfa', { ...none, gaid: 'g' }, touch({ idfa: 'g' }), null],
    ['ids of different case', { ...none, gaid: 'g' }, touch({ gaid: 'G' }), null],
    [
      'a gaid of zeros',
      { ...none, gaid: '00000000-0000-0000-0000-000000000000' },
      touch({ gaid: '00000000-0000-0000-0000-000000000000' }),
      null,
    ],
  ] as const)('for %s', (_title, install, touchpoint, key) => {
    expect(matchKeyOf(install, touchpoint)).toBe(key);
  });

  it('takes no id of zeros for a device', () => {
    expect(namesOneDevice('0000-0000')).toBe(false);
    expect(namesOneDevice('0a')).toBe(true);
  });
});

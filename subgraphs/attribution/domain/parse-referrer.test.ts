import { parseReferrer } from './parse-referrer.ts';

describe('parseReferrer', () => {
  it.each([
    ['click_id=clk_1&utm_source=acme', 'clk_1', 'acme'],
    ['utm_source=google-play&utm_medium=organic', null, 'google-play'],
    ['click_id%3Dclk_2%26utm_source%3Dacme', 'clk_2', 'acme'],
    ['utm_source=a%20b&click_id=c%2Fd', 'c/d', 'a b'],
    ['utm_source=a+b', null, 'a b'],
    ['click_id=first&click_id=second', 'first', null],
    ['click_id=', null, null],
    ['', null, null],
    ['%E0%A4%A', null, null],
    ['(not set)', null, null],
  ])('reads %p', (text, clickId, utmSource) => {
    expect(parseReferrer(text)).toMatchObject({ clickId, utmSource });
  });
});

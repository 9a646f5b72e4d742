import { anEvent, aRequest, aSnapshot, collect, secretKey, writeKey } from './collector.testing.ts';

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
const answerTo = (authorization: string | undefined) => {
  const { status, answer, headers } = collect(aRequest(anEvent(), { authorization }));
  return { status, code: (answer['error'] as { code: string } | undefined)?.code, headers };
};

describe('a key', () => {
  it.each([
    [`Bearer ${writeKey}`],
    [`bearer  ${writeKey} `],
    [`Bearer ${secretKey}`],
    [basic(`${writeKey}:`)],
    [basic(writeKey)],
    [basic(`${writeKey}:ignored:too`)],
  ])('given as %p may write', (authorization) => {
    expect(answerTo(authorization).status).toBe(200);
  });

  it.each([
    [undefined, 401, 'UNAUTHENTICATED'],
    ['', 401, 'UNAUTHENTICATED'],
    ['Bearer', 401, 'UNAUTHENTICATED'],
    [writeKey, 401, 'UNAUTHENTICATED'],
    [`Digest ${writeKey}`, 401, 'UNAUTHENTICATED'],
    ['Bearer wrong', 401, 'UNAUTHENTICATED'],
    [basic(':'), 401, 'UNAUTHENTICATED'],
    ['Bearer trk_disabled', 401, 'UNAUTHENTICATED'],
    ['Bearer trk_api_test', 401, 'UNAUTHENTICATED'],
    ['Bearer trk_unscoped', 403, 'FORBIDDEN'],
    ['Bearer trk_off', 404, 'SOURCE_DISABLED'],
  ])('given as %p is refused with %i %s', (authorization, status, code) => {
    expect(answerTo(authorization)).toMatchObject({ status, code });
  });

  it('that is missing is asked for', () => {
    expect(answerTo(undefined).headers['www-authenticate']).toBe('Bearer');
  });

  it('in the headers is checked before the body is looked at', () => {
    expect(collect(aRequest('{', { authorization: 'Bearer wrong' })).status).toBe(401);
  });

  it('without an app is refused', () => {
    expect(collect(aRequest(anEvent()), aSnapshot({ apps: [] })).status).toBe(401);
  });
});

it('says where nothing is, and what a path takes', () => {
  expect(collect(aRequest(anEvent(), { path: '/v2/events' }))).toMatchObject({
    status: 404,
    answer: { error: { code: 'NOT_FOUND', requestId: 'req_1', retryable: false } },
  });
  expect(collect(aRequest('', { method: 'GET' }))).toMatchObject({ status: 405, headers: { allow: 'POST' } });
});

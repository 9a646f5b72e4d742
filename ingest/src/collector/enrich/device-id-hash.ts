import { createHmac } from 'node:crypto';
import { createRecentAnswers } from './recent-answers.ts';

/** Says that a text is a hash already, and of which scheme. */
const marker = 'h1_';
const hashed = /^h1_[0-9a-f]{48}$/;
const rememberedIds = 20_000;

/**
 * A device id as the apps that hash them store it: `h1_` and 192 bits of HMAC-SHA256 over the id in lower case, under a salt
 * of the app. Equal ids of one app give equal hashes wherever they come from (click, impression, install), so that matching
 * works; two apps' hashes of one device have nothing in common. The salt is made of a secret of the installation, since ad
 * networks hold lists of ids and could otherwise hash them all; it outlives keys, so that hashes do not change when a key is
 * replaced. An id that is such a hash already stays as it is: dead letters hold hashes and may be sent again.
 */
export function hashDeviceId(secret: string, appId: string, id: string): string {
  return hashWith(saltOf(secret, appId), id);
}

export type DeviceIdHash = (appId: string, id: string) => string;

/** `hashDeviceId` with one secret, which remembers what it hashed last. */
export function createDeviceIdHash(secret: string): DeviceIdHash {
  const salts = createRecentAnswers(10_000, (appId) => saltOf(secret, appId));
  const hashes = createRecentAnswers(rememberedIds, (text) => {
    const end = text.indexOf('\u001f');
    return hashWith(salts(text.slice(0, end)), text.slice(end + 1));
  });
  return (appId, id) => hashes(`${appId}\u001f${id}`);
}

function saltOf(secret: string, appId: string): Buffer {
  return createHmac('sha256', secret).update(`device-ids\u001f${appId}`).digest();
}

function hashWith(salt: Buffer, id: string): string {
  const text = id.toLowerCase();
  return hashed.test(text) ? text : marker + createHmac('sha256', salt).update(text).digest('hex').slice(0, 48);
}

import { sealText, signWebhook, unsealText, webhookSecretOf } from './sealed.ts';

const secret = 's'.repeat(40);

describe('sealed texts', () => {
  it('come back with the same secret, and differ each time', () => {
    const sealed = sealText('Bearer süß', secret);
    expect(unsealText(sealed, secret)).toBe('Bearer süß');
    expect(sealText('Bearer süß', secret)).not.toBe(sealed);
    expect(sealed).not.toContain('Bearer');
  });

  it('are null with another secret or when changed', () => {
    const sealed = sealText('x', secret);
    expect(unsealText(sealed, 't'.repeat(40))).toBeNull();
    expect(unsealText(`${sealed.slice(0, -2)}AA`, secret)).toBeNull();
    expect(unsealText('short', secret)).toBeNull();
  });
});

describe('webhook secrets', () => {
  it('differ by tenant, alert and version, and not from call to call', () => {
    const alert = { tenantId: 'ten_a', alertId: 'alr_a', version: 1 };
    const all = [alert, { ...alert, tenantId: 'ten_b' }, { ...alert, alertId: 'alr_b' }, { ...alert, version: 2 }];
    expect(new Set(all.map((one) => webhookSecretOf(one, secret))).size).toBe(4);
    expect(webhookSecretOf({ ...alert }, secret)).toBe(webhookSecretOf(alert, secret));
  });

  it('sign time and body', () => {
    expect(signWebhook('{}', 'whsec_x', 1_999)).toMatch(/^t=1,v1=[0-9a-f]{64}$/);
    expect(signWebhook('{}', 'whsec_x', 1_999)).not.toBe(signWebhook('{ }', 'whsec_x', 1_999));
  });
});

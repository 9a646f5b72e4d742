import { intakePolicySchema, newId } from '@tributary/schema';
import { z } from 'zod';
import { appInput } from '../inputs.ts';
import { defineCommand } from './command.ts';
import { given, idInput, requireOwnApp, requireWholeTenant } from './scope.ts';

/** Apps and what they let in. */

const origin = z.string().regex(/^https?:\/\/[^/\s?#]+$/, { error: 'must be an origin such as https://shop.example' });
const shortTexts = z.array(z.string().trim().min(1).max(200)).max(500);

/** As in schema, with the bounds that a stranger's input needs. */
export const intakeInput = intakePolicySchema.extend({
  webOrigins: z.array(origin).max(100).default([]),
  blockedEvents: shortTexts.default([]),
  blockedIps: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
    .max(500)
    .default([]),
  blockedUserAgents: shortTexts.default([]),
  sampling: z
    .array(z.object({ eventName: z.string().trim().min(1).max(200), keep: z.number().min(0).max(1) }))
    .max(200)
    .default([]),
  iosAppIds: z
    .array(z.string().regex(/^[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,155}$/, { error: 'must be TEAMID.bundle.id' }))
    .max(20)
    .default([]),
  androidApps: z
    .array(
      z.object({
        packageName: z.string().regex(/^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$/),
        sha256Fingerprints: z
          .array(
            z.string().regex(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/, { error: 'must be a SHA-256 fingerprint AA:BB:…' }),
          )
          .min(1)
          .max(10),
      }),
    )
    .max(20)
    .default([]),
});

const settings = appInput.omit({ tenantId: true });

export const createAppCommand = defineCommand({
  operation: 'createApp',
  topics: ['directory', 'mirrors'],
  input: settings.extend({ intake: intakeInput.optional() }),
  run: async (scope, { intake, ...fields }) => {
    requireWholeTenant(scope);
    const id = newId('app');
    const data = { id, tenantId: scope.tenantId, ...given({ ...fields, intake }) };
    await scope.tx.app.create({ data: data as never });
    return { result: { id }, audit: [{ action: 'app.created', subjectId: id, after: data }] };
  },
});

/** Currency and time zone stay: what is stored is summed by them. */
export const updateAppCommand = defineCommand({
  operation: 'updateApp',
  topics: ['directory'],
  input: settings.omit({ currency: true, timezone: true, platform: true }).partial().extend({ appId: idInput }),
  run: async (scope, { appId, ...fields }) => {
    const before = await requireOwnApp(scope, appId);
    const after = given(fields);
    await scope.tx.app.updateMany({ where: { id: appId, tenantId: scope.tenantId }, data: after });
    return {
      result: { id: appId },
      audit: [{ action: 'app.updated', subjectId: appId, before, after: { ...before, ...after } }],
    };
  },
});

/** Replaces the policy whole; what is left out has its default. */
export const setIntakePolicy = defineCommand({
  operation: 'setIntakePolicy',
  topics: ['directory'],
  input: z.object({ appId: idInput, intake: intakeInput }),
  run: async (scope, { appId, intake }) => {
    const before = await requireOwnApp(scope, appId);
    await scope.tx.app.updateMany({ where: { id: appId, tenantId: scope.tenantId }, data: { intake } });
    return {
      result: { id: appId },
      audit: [{ action: 'app.intake_set', subjectId: appId, before: { intake: before.intake }, after: { intake } }],
    };
  },
});

const switching = (operation: 'enableApp' | 'disableApp') =>
  defineCommand({
    operation,
    topics: ['directory'],
    input: z.object({ appId: idInput }),
    run: async (scope, { appId }) => {
      const before = await requireOwnApp(scope, appId);
      const enabled = operation === 'enableApp';
      await scope.tx.app.updateMany({ where: { id: appId, tenantId: scope.tenantId }, data: { enabled } });
      return {
        result: { id: appId },
        audit: [
          {
            action: enabled ? 'app.enabled' : 'app.disabled',
            subjectId: appId,
            before: { enabled: before.enabled },
            after: { enabled },
          },
        ],
      };
    },
  });

export const enableApp = switching('enableApp');
/** It takes no events; what is stored stays readable. */
export const disableApp = switching('disableApp');

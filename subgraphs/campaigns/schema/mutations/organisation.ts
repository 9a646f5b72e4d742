import {
  addMember,
  createApiKeyCommand,
  createAppCommand,
  createWriteKeyCommand,
  disableApp,
  enableApp,
  removeMember,
  restoreMember,
  revokeApiKey,
  revokeWriteKey,
  rotateApiKey,
  rotateWriteKey,
  setIntakePolicy,
  setMemberRole,
  updateAppCommand,
} from '@tributary/prisma/commands';
import { addMutation, type InputBuilder, type MutationKit, rowField } from './define.ts';

function addMemberMutations(m: MutationKit): void {
  const { enums, types, deps } = m;
  const { member } = deps.loaders;
  const role = (t: InputBuilder) => ({
    role: t.field({ type: enums.MemberRole, required: true, description: 'What they may do, at most.' }),
    partnerId: t.id({ description: 'Whose figures they see; required for PARTNER, else not allowed.' }),
  });
  const memberId = (t: InputBuilder) => ({ memberId: t.id({ required: true, description: 'Who.' }) });
  addMutation(m, {
    command: addMember,
    description: 'Adds a person to the organisation.',
    input: (t) => ({ email: t.string({ required: true, description: 'Their address.' }), ...role(t) }),
    payload: (t) => ({ member: rowField(t, types.Member, member, 'The member.') }),
  });
  addMutation(m, {
    command: setMemberRole,
    description: 'Changes what a member, and every key that acts for them, may do. Takes effect at once.',
    input: (t) => ({ ...memberId(t), ...role(t) }),
    payload: (t) => ({ member: rowField(t, types.Member, member, 'The member.') }),
  });
  addMutation(m, {
    command: removeMember,
    description: 'Ends a membership; keys that act for the member are void at once. `restoreMember` undoes it.',
    input: memberId,
    payload: (t) => ({ member: rowField(t, types.Member, member, 'The member.') }),
  });
  addMutation(m, {
    command: restoreMember,
    description: 'Undoes `removeMember`.',
    input: memberId,
    payload: (t) => ({ member: rowField(t, types.Member, member, 'The member.') }),
  });
}

function addIntakeInput({ kit, enums }: MutationKit) {
  const { builder } = kit;
  const Sampling = builder.inputType('EventSamplingInput', {
    description: 'Which share of an event’s occurrences is kept.',
    fields: (t) => ({
      eventName: t.string({ required: true, description: 'The event.' }),
      keep: t.float({ required: true, description: '0…1; a device is in or out as a whole.' }),
    }),
  });
  const AndroidApp = builder.inputType('AndroidAppLinkInput', {
    description: 'An Android package that opens tracking links.',
    fields: (t) => ({
      packageName: t.string({ required: true, description: 'E.g. `com.example.shop`.' }),
      sha256Fingerprints: t.stringList({ required: true, description: 'Of its signing certificates, `AA:BB:…`.' }),
    }),
  });
  return builder.inputType('IntakePolicyInput', {
    description: 'What an app lets in. What is left out has its default, which changes nothing.',
    fields: (t) => ({
      hashDeviceIds: t.boolean({ description: 'Store device ids as salted hashes. Default false.' }),
      consentPolicy: t.field({ type: enums.ConsentPolicy, description: 'What consent does. Default RECORD.' }),
      webOrigins: t.stringList({ description: 'Origins whose browsers may send; empty = any.' }),
      blockedEvents: t.stringList({ description: 'Event names to drop.' }),
      blockedIps: t.stringList({ description: 'Addresses or CIDR ranges to refuse.' }),
      blockedUserAgents: t.stringList({ description: 'Texts of user agents to refuse.' }),
      sampling: t.field({ type: [Sampling], description: 'Events of which to keep a share.' }),
      iosAppIds: t.stringList({ description: '`TEAMID.bundle.id` of apps that open links.' }),
      androidApps: t.field({ type: [AndroidApp], description: 'Packages that open links.' }),
    }),
  });
}

function addAppMutations(m: MutationKit): void {
  const { enums, types, deps } = m;
  const { app } = deps.loaders;
  const Intake = addIntakeInput(m);
  const appId = (t: InputBuilder) => ({ appId: t.id({ required: true, description: 'The app.' }) });
  const windows = (t: InputBuilder) => ({
    storeUrl: t.string({ description: 'Where it is installed from: http(s) or a store’s own scheme.' }),
    ipPolicy: t.field({ type: enums.IpPolicy, description: 'What is kept of addresses. Default TRUNCATE.' }),
    clickLookbackHours: t.int({ description: '1…720 hours. Default 168.' }),
    viewLookbackHours: t.int({ description: '1…720 hours. Default 24.' }),
    reinstallDays: t.int({ description: '0…3,650 days. Default 30.' }),
    retentionDays: t.int({ description: '1…3,650 days. Default 730.' }),
  });
  addMutation(m, {
    command: createAppCommand,
    description: 'Makes an app. Its currency and time zone stay as they are: what is stored is summed by them.',
    input: (t) => ({
      name: t.string({ required: true, description: '1…200 characters.' }),
      platform: t.field({ type: enums.AppPlatform, required: true, description: 'What it runs on.' }),
      currency: t.string({ required: true, description: 'ISO 4217, upper case.' }),
      timezone: t.string({ required: true, description: 'IANA name.' }),
      ...windows(t),
      intake: t.field({ type: Intake, description: 'What it lets in.' }),
    }),
    payload: (t) => ({ app: rowField(t, types.App, app, 'The app.') }),
  });
  addMutation(m, {
    command: updateAppCommand,
    description: 'Changes an app’s settings; what is left out stays.',
    clearable: ['storeUrl'],
    input: (t) => ({ ...appId(t), name: t.string({ description: '1…200 characters.' }), ...windows(t) }),
    payload: (t) => ({ app: rowField(t, types.App, app, 'The app.') }),
  });
  addMutation(m, {
    command: setIntakePolicy,
    description: 'Replaces what an app lets in.',
    input: (t) => ({
      ...appId(t),
      intake: t.field({ type: Intake, required: true, description: 'The whole policy.' }),
    }),
    payload: (t) => ({ app: rowField(t, types.App, app, 'The app.') }),
  });
  addMutation(m, {
    command: enableApp,
    description: 'Lets an app take events again.',
    input: appId,
    payload: (t) => ({ app: rowField(t, types.App, app, 'The app.') }),
  });
  addMutation(m, {
    command: disableApp,
    description: 'Lets an app take no events; what is stored stays readable. `enableApp` undoes it.',
    input: appId,
    payload: (t) => ({ app: rowField(t, types.App, app, 'The app.') }),
  });
}

function addKeyMutations(m: MutationKit): void {
  const { kit, enums, types, deps } = m;
  const { apiKey, writeKey } = deps.loaders;
  const Rate = kit.builder.inputType('KeyRateInput', {
    description: 'A token bucket over all processes.',
    fields: (t) => ({
      perSecond: t.float({ required: true, description: 'Refilled a second.' }),
      burst: t.float({ required: true, description: 'Held when full.' }),
    }),
  });
  const keyText = 'The key’s text, this once: store it now. Null in a repeated answer.';
  const common = (t: InputBuilder) => ({
    label: t.string({ required: true, description: 'For people.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'Void from then on; never when left out.' }),
  });
  addMutation(m, {
    command: createApiKeyCommand,
    description: 'Makes a key to this API. Nobody can give a key more than their own key has.',
    input: (t) => ({
      ...common(t),
      scopes: t.field({ type: [enums.Scope], required: true, description: 'What it may do; the least that works.' }),
      appIds: t.idList({ description: 'The apps that it is for; every app when left out.' }),
      memberId: t.id({ description: 'Whose role bounds it.' }),
      partnerId: t.id({ description: 'Set: a partner’s key; sees what concerns this partner only.' }),
      trustedOnly: t.boolean({ description: 'Only trusted documents. Default false.' }),
      ratePlan: t.field({ type: enums.RatePlan, description: 'Bounds of its queries. Default STANDARD.' }),
      rate: t.field({ type: Rate, description: 'Cost points; the plan’s when left out.' }),
    }),
    payload: (t) => ({
      apiKey: rowField(t, types.ApiKey, apiKey, 'The key, without its text.'),
      key: t.string({ nullable: true, description: keyText, resolve: ({ secret }) => secret }),
    }),
  });
  addMutation(m, {
    command: createWriteKeyCommand,
    description: 'Makes a key that writes events to an app.',
    input: (t) => ({
      ...common(t),
      appId: t.id({ required: true, description: 'The app.' }),
      kind: t.field({ type: enums.WriteKeyKind, required: true, description: 'Where it is kept.' }),
      rate: t.field({ type: Rate, description: 'Events; the default of its kind when left out.' }),
      dailyQuota: t.int({ description: 'Events a UTC day; none when left out.' }),
    }),
    payload: (t) => ({
      writeKey: rowField(t, types.WriteKey, writeKey, 'The key, without its text.'),
      key: t.string({ nullable: true, description: keyText, resolve: ({ secret }) => secret }),
    }),
  });
  const revoke = (t: InputBuilder) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    confirm: t.boolean({ required: true, description: 'Must be true: a revoked key can’t be restored.' }),
  });
  const rotate = (t: InputBuilder) => ({
    keyId: t.id({ required: true, description: 'The key to replace.' }),
    graceHours: t.float({ required: true, description: 'How long the old one is still taken, 0…720 hours.' }),
  });
  addMutation(m, {
    command: revokeApiKey,
    description: 'Ends a key at once and for good.',
    input: revoke,
    payload: (t) => ({ apiKey: rowField(t, types.ApiKey, apiKey, 'The key.') }),
  });
  addMutation(m, {
    command: revokeWriteKey,
    description: 'Ends a key at once and for good.',
    input: revoke,
    payload: (t) => ({ writeKey: rowField(t, types.WriteKey, writeKey, 'The key.') }),
  });
  addMutation(m, {
    command: rotateApiKey,
    description: 'Makes a key with the same rights; the old one is revoked when the grace period ends.',
    input: rotate,
    payload: (t) => ({
      apiKey: rowField(t, types.ApiKey, apiKey, 'The new key, without its text.'),
      key: t.string({ nullable: true, description: keyText, resolve: ({ secret }) => secret }),
    }),
  });
  addMutation(m, {
    command: rotateWriteKey,
    description: 'Makes a key with the same rights; the old one is revoked when the grace period ends.',
    input: rotate,
    payload: (t) => ({
      writeKey: rowField(t, types.WriteKey, writeKey, 'The new key, without its text.'),
      key: t.string({ nullable: true, description: keyText, resolve: ({ secret }) => secret }),
    }),
  });
}

/** Members, apps and keys. */
export function addOrganisationMutations(m: MutationKit): void {
  addMemberMutations(m);
  addAppMutations(m);
  addKeyMutations(m);
}

import type { CollectorRequest } from '../request.ts';
import { adjustFormat, adjustPath } from './adjust.ts';
import { amplitudeFormat } from './amplitude.ts';
import { appsflyerFormat, appsflyerPath } from './appsflyer.ts';
import type { WireFormat } from './format.ts';
import { jitsuFormat, jitsuPaths } from './jitsu.ts';
import { mixpanelFormat, mixpanelPaths } from './mixpanel.ts';
import { nativeFormat } from './native.ts';
import { openpanelFormat } from './openpanel.ts';
import { posthogBatchFormat, posthogFormat, posthogPaths, posthogV1Format } from './posthog.ts';
import { rudderstackFormat } from './rudderstack.ts';
import { segmentFormat, segmentPaths } from './segment.ts';
import { snowplowFormat, snowplowPaths } from './snowplow.ts';

type Routes = (readonly [path: string, formats: readonly WireFormat[]])[];
const each = (paths: readonly string[], ...formats: readonly WireFormat[]): Routes =>
  paths.map((path) => [path, formats]);

/** Path → the wire formats that come there, most particular first; the last one takes what no other claims. */
const routes: ReadonlyMap<string, readonly WireFormat[]> = new Map<string, readonly WireFormat[]>([
  ['/v1/events', [nativeFormat]],
  ...each(segmentPaths, rudderstackFormat, segmentFormat),
  ...each(['/beacon/v1/batch'], rudderstackFormat),
  ...each(posthogPaths, posthogFormat),
  ['/i/v1/analytics/events', [posthogV1Format]],
  ['/2/httpapi', [amplitudeFormat]],
  ['/batch', [posthogBatchFormat, amplitudeFormat]],
  ...each(mixpanelPaths, openpanelFormat, mixpanelFormat),
  ...each(snowplowPaths, snowplowFormat),
  ...each(jitsuPaths, jitsuFormat),
]);

/** Paths with parts of their own, asked after the fixed ones. */
const patterns: readonly (readonly [path: RegExp, formats: readonly WireFormat[]])[] = [
  [appsflyerPath, [appsflyerFormat]],
  [adjustPath, [adjustFormat]],
];

/** All fixed paths, for documents and tests. */
export const fixedRoutes: ReadonlyMap<string, readonly WireFormat[]> = routes;

/** The formats of a path; undefined where no events come. */
export function formatsAt(path: string): readonly WireFormat[] | undefined {
  return routes.get(path) ?? patterns.find(([pattern]) => pattern.test(path))?.[1];
}

/** Which of a path's formats a request is of. */
export function formatOf(formats: readonly WireFormat[], request: CollectorRequest, text: string): WireFormat {
  for (const format of formats) if (format.claims === undefined || format.claims(request, text)) return format;
  return formats[formats.length - 1]!;
}

import type { CollectorRequest } from '../core.ts';
import type { WireFormat } from './format.ts';
import { nativeFormat } from './native.ts';
import { segmentFormat, segmentPaths } from './segment.ts';

/** Path → the wire formats that come there, most particular first; the last one takes what no other claims. */
const routes: ReadonlyMap<string, readonly WireFormat[]> = new Map<string, readonly WireFormat[]>([
  ['/v1/events', [nativeFormat]],
  ...segmentPaths.map((path) => [path, [segmentFormat]] as const),
]);

/** The formats of a path; undefined where no events come. */
export function formatsAt(path: string): readonly WireFormat[] | undefined {
  return routes.get(path);
}

/** Which of a path's formats a request is of. */
export function formatOf(formats: readonly WireFormat[], request: CollectorRequest, text: string): WireFormat {
  for (const format of formats) if (format.claims === undefined || format.claims(request, text)) return format;
  return formats[formats.length - 1]!;
}

/**
 * Epochs of a group's assignments. The generation grows with each join of the group, but starts at 1 again once the
 * group was forgotten: when it had no member for as long as the broker keeps offsets (7 days), or was deleted. So the day
 * stands before it; and the largest day of the past is kept beside the committed offset, so that a host whose clock is
 * behind does not go back. Only a group that is deleted and made anew on the same day gets smaller epochs.
 */
export function epochOf(generationId: number, recorded: bigint | null, nowMs: number): bigint {
  const today = BigInt(Math.floor(nowMs / 86_400_000));
  const past = recorded === null ? 0n : recorded >> generationBits;
  return ((today > past ? today : past) << generationBits) | BigInt(generationId);
}

const generationBits = 32n;
const prefix = 'epoch=';

/** The form in which an epoch is kept as the metadata of a committed offset. */
export function epochMetadata(epoch: bigint): string {
  return `${prefix}${epoch}`;
}

/** null where no epoch was recorded. */
export function parseEpochMetadata(metadata: string | null | undefined): bigint | null {
  const digits = metadata?.startsWith(prefix) ? metadata.slice(prefix.length) : '';
  return /^\d{1,19}$/.test(digits) ? BigInt(digits) : null;
}

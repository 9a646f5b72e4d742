/** One refused event, as a row of the `dead_letters` table (names and units as there). */
export interface DeadLetter {
  readonly tenant_id: string;
  readonly app_id: string;
  readonly dead_letter_id: string;
  readonly stage: 'collector' | 'consumer';
  readonly code: string;
  readonly field: string;
  readonly message: string;
  readonly source_format: string;
  readonly event_id: string;
  /** Epoch ms. */
  readonly received_at: number;
  /** What was sent, whole, as text. */
  readonly payload: string;
}

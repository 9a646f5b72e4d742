/** Messages on the live bus. They say *what changed*, not how much: readers ask the warehouse, so totals can't drift. */
export interface LiveMessages {
  /** Rows of these minutes were stored, or attribution decisions of installs in them changed. */
  'metrics.touched': {
    readonly tenantId: string;
    readonly appId: string;
    /** Epoch ms floored to the minute, ascending, unique. */
    readonly minutes: readonly number[];
    readonly events: number;
    readonly at: number;
  };
  'install.attributed': {
    readonly tenantId: string;
    readonly appId: string;
    readonly installId: string;
    readonly revision: number;
    readonly at: number;
  };
  /** A journey was stored: a conversion has its touchpoints. */
  'conversion.recorded': {
    readonly tenantId: string;
    readonly appId: string;
    readonly conversionId: string;
    readonly revision: number;
    readonly at: number;
  };
  /** A fraud score at or over the flagging threshold was stored. */
  'fraud.flagged': {
    readonly tenantId: string;
    readonly appId: string;
    readonly installId: string;
    readonly score: number;
    readonly at: number;
  };
  'alert.fired': {
    readonly tenantId: string;
    readonly appId: string;
    readonly alertId: string;
    readonly firingId: string;
    readonly at: number;
  };
  'job.progress': { readonly tenantId: string; readonly jobId: string; readonly at: number };
  'directory.changed': { readonly version: number };
}

export type LiveTopic = keyof LiveMessages;

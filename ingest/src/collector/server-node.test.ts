import { describeServerContract } from './server.contract.ts';

describeServerContract({ name: 'node', headerTimeoutMs: 200 });

import { newId } from '@tributary/schema';
import { z } from 'zod';
import { notFound } from '../accounts.ts';
import { name } from '../inputs.ts';
import { defineCommand } from './command.ts';
import { given, idInput, ownRow, requireOwnApp } from './scope.ts';

/** Reports that somebody wants again. What a definition holds is the report field's matter; here it is a bounded JSON object. */
const definition = z
  .record(z.string().max(100), z.json())
  .refine((value) => JSON.stringify(value).length <= 20_000, { error: 'is longer than 20,000 characters' });

export const createSavedReport = defineCommand({
  operation: 'createSavedReport',
  taken: 'The app has a saved report of that name already, perhaps an archived one.',
  input: z.object({ appId: idInput, name, definition }),
  run: async (scope, fields) => {
    await requireOwnApp(scope, fields.appId);
    const id = newId('report');
    await scope.tx.savedReport.create({
      data: { id, tenantId: scope.tenantId, ...fields, definition: fields.definition as never, createdBy: scope.actor },
    });
    return { result: { id }, audit: [{ action: 'report.created', subjectId: id, after: fields }] };
  },
});

export const updateSavedReport = defineCommand({
  operation: 'updateSavedReport',
  taken: 'The app has a saved report of that name already, perhaps an archived one.',
  input: z.object({ reportId: idInput, name: name.optional(), definition: definition.optional() }),
  run: async (scope, { reportId, ...fields }) => {
    const where = { id: reportId, tenantId: scope.tenantId };
    const before = ownRow(scope, await scope.tx.savedReport.findFirst({ where }));
    if (!before) throw notFound('saved report', reportId);
    await requireOwnApp(scope, before.appId);
    const after = given(fields);
    await scope.tx.savedReport.updateMany({ where, data: after as never });
    return {
      result: { id: reportId },
      audit: [{ action: 'report.updated', subjectId: reportId, before, after: { ...before, ...after } }],
    };
  },
});

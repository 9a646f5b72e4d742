-- Operations of tenants: what mutations need (idempotency, archives, rotation of keys), dated rates, cost imports, saved
-- reports, alerts and jobs. New columns are nullable or have defaults: the previous program goes on working beside it.

CREATE TYPE "CostFormat" AS ENUM ('CSV', 'JSON');
CREATE TYPE "AlertState" AS ENUM ('OK', 'FIRING');
CREATE TYPE "JobStatus" AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED');

ALTER TABLE "Member"
    ADD COLUMN "partnerId" TEXT,
    ADD COLUMN "removedAt" TIMESTAMP(3);
ALTER TABLE "ApiKey"
    ADD COLUMN "partnerId" TEXT,
    ADD COLUMN "memberId" TEXT,
    ADD COLUMN "trustedOnly" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "ratePerSecond" DOUBLE PRECISION,
    ADD COLUMN "rateBurst" DOUBLE PRECISION,
    ADD COLUMN "expiresAt" TIMESTAMP(3),
    ADD COLUMN "rotatedFromId" TEXT,
    ADD COLUMN "graceUntil" TIMESTAMP(3);
ALTER TABLE "WriteKey"
    ADD COLUMN "ratePerSecond" DOUBLE PRECISION,
    ADD COLUMN "rateBurst" DOUBLE PRECISION,
    ADD COLUMN "dailyQuota" INTEGER,
    ADD COLUMN "expiresAt" TIMESTAMP(3),
    ADD COLUMN "rotatedFromId" TEXT,
    ADD COLUMN "graceUntil" TIMESTAMP(3);
ALTER TABLE "App"
    ADD COLUMN "intake" JSONB;
ALTER TABLE "Partner"
    ADD COLUMN "archivedAt" TIMESTAMP(3);
ALTER TABLE "AdGroup"
    ADD COLUMN "archivedAt" TIMESTAMP(3);
ALTER TABLE "Creative"
    ADD COLUMN "archivedAt" TIMESTAMP(3);
ALTER TABLE "TrackingLink"
    ADD COLUMN "targets" JSONB,
    ADD COLUMN "deepLinkPath" TEXT,
    ADD COLUMN "archivedAt" TIMESTAMP(3);
ALTER TABLE "CostRow"
    ADD COLUMN "sourceAmount" DECIMAL(38,6),
    ADD COLUMN "sourceCurrency" TEXT;
ALTER TABLE "Goal"
    ADD COLUMN "archivedAt" TIMESTAMP(3);

CREATE TABLE "IdempotencyRecord" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "requestHash" TEXT NOT NULL,
    "response" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "IdempotencyRecord_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "FxRate" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "from" TEXT NOT NULL,
    "to" TEXT NOT NULL,
    "rate" DECIMAL(38,12) NOT NULL,

    CONSTRAINT "FxRate_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "CostImport" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "format" "CostFormat" NOT NULL,
    "mapping" JSONB NOT NULL,
    "headerName" TEXT,
    "headerSealed" TEXT,
    "intervalMinutes" INTEGER NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "nextRunAt" TIMESTAMP(3) NOT NULL,
    "lastRunAt" TIMESTAMP(3),
    "lastResult" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archivedAt" TIMESTAMP(3),

    CONSTRAINT "CostImport_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "SavedReport" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "appId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archivedAt" TIMESTAMP(3),

    CONSTRAINT "SavedReport_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Alert" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "appId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "rule" JSONB NOT NULL,
    "webhookUrl" TEXT,
    "emails" TEXT[],
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "secretVersion" INTEGER NOT NULL DEFAULT 1,
    "state" "AlertState" NOT NULL DEFAULT 'OK',
    "stateAt" TIMESTAMP(3),
    "lastFiredAt" TIMESTAMP(3),
    "evaluatedAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archivedAt" TIMESTAMP(3),

    CONSTRAINT "Alert_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "AlertFiring" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "appId" TEXT NOT NULL,
    "alertId" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "windowFrom" TIMESTAMP(3) NOT NULL,
    "windowTo" TIMESTAMP(3) NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "bound" DOUBLE PRECISION NOT NULL,
    "score" DOUBLE PRECISION,
    "deliveries" JSONB NOT NULL,
    "nextAttemptAt" TIMESTAMP(3),

    CONSTRAINT "AlertFiring_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Job" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "appId" TEXT,
    "kind" TEXT NOT NULL,
    "status" "JobStatus" NOT NULL DEFAULT 'QUEUED',
    "progress" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "input" JSONB NOT NULL,
    "result" JSONB,
    "errorCode" TEXT,
    "errorText" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Job_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "JobStep" (
    "id" TEXT NOT NULL,
    "tenantId" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "status" "JobStatus" NOT NULL,
    "progress" DOUBLE PRECISION NOT NULL,
    "message" TEXT,

    CONSTRAINT "JobStep_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "Member_tenantId_id_key" ON "Member"("tenantId", "id");
CREATE UNIQUE INDEX "Creative_tenantId_id_key" ON "Creative"("tenantId", "id");
CREATE UNIQUE INDEX "IdempotencyRecord_tenantId_key_key" ON "IdempotencyRecord"("tenantId", "key");
CREATE INDEX "IdempotencyRecord_expiresAt_idx" ON "IdempotencyRecord"("expiresAt");
CREATE UNIQUE INDEX "FxRate_tenantId_from_to_day_key" ON "FxRate"("tenantId", "from", "to", "day");
CREATE UNIQUE INDEX "CostImport_tenantId_name_key" ON "CostImport"("tenantId", "name");
CREATE INDEX "CostImport_nextRunAt_idx" ON "CostImport"("nextRunAt");
CREATE UNIQUE INDEX "SavedReport_tenantId_appId_name_key" ON "SavedReport"("tenantId", "appId", "name");
CREATE UNIQUE INDEX "Alert_tenantId_id_key" ON "Alert"("tenantId", "id");
CREATE INDEX "Alert_tenantId_appId_idx" ON "Alert"("tenantId", "appId");
CREATE UNIQUE INDEX "AlertFiring_sequence_key" ON "AlertFiring"("sequence");
CREATE INDEX "AlertFiring_tenantId_appId_sequence_idx" ON "AlertFiring"("tenantId", "appId", "sequence");
CREATE INDEX "AlertFiring_nextAttemptAt_idx" ON "AlertFiring"("nextAttemptAt");
CREATE UNIQUE INDEX "Job_tenantId_id_key" ON "Job"("tenantId", "id");
CREATE INDEX "Job_tenantId_createdAt_id_idx" ON "Job"("tenantId", "createdAt", "id");
CREATE INDEX "Job_kind_status_idx" ON "Job"("kind", "status");
CREATE UNIQUE INDEX "JobStep_sequence_key" ON "JobStep"("sequence");
CREATE INDEX "JobStep_tenantId_jobId_sequence_idx" ON "JobStep"("tenantId", "jobId", "sequence");

ALTER TABLE "Member" ADD CONSTRAINT "Member_tenantId_partnerId_fkey" FOREIGN KEY ("tenantId", "partnerId") REFERENCES "Partner"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_tenantId_partnerId_fkey" FOREIGN KEY ("tenantId", "partnerId") REFERENCES "Partner"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_tenantId_memberId_fkey" FOREIGN KEY ("tenantId", "memberId") REFERENCES "Member"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "IdempotencyRecord" ADD CONSTRAINT "IdempotencyRecord_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "FxRate" ADD CONSTRAINT "FxRate_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "CostImport" ADD CONSTRAINT "CostImport_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "SavedReport" ADD CONSTRAINT "SavedReport_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Alert" ADD CONSTRAINT "Alert_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "AlertFiring" ADD CONSTRAINT "AlertFiring_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Job" ADD CONSTRAINT "Job_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "JobStep" ADD CONSTRAINT "JobStep_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "SavedReport" ADD CONSTRAINT "SavedReport_tenantId_appId_fkey" FOREIGN KEY ("tenantId", "appId") REFERENCES "App"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Alert" ADD CONSTRAINT "Alert_tenantId_appId_fkey" FOREIGN KEY ("tenantId", "appId") REFERENCES "App"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "AlertFiring" ADD CONSTRAINT "AlertFiring_tenantId_appId_fkey" FOREIGN KEY ("tenantId", "appId") REFERENCES "App"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Job" ADD CONSTRAINT "Job_tenantId_appId_fkey" FOREIGN KEY ("tenantId", "appId") REFERENCES "App"("tenantId", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "AlertFiring" ADD CONSTRAINT "AlertFiring_tenantId_alertId_fkey" FOREIGN KEY ("tenantId", "alertId") REFERENCES "Alert"("tenantId", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "JobStep" ADD CONSTRAINT "JobStep_tenantId_jobId_fkey" FOREIGN KEY ("tenantId", "jobId") REFERENCES "Job"("tenantId", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Streams are numbered from the time of creation on, as the other counters are, so that a cursor of a lost store is never
-- taken for one of this store.
INSERT INTO "ChangeCounter" ("topic", "count")
SELECT "topic", floor(extract(epoch FROM now()) * 1000)::BIGINT FROM unnest(ARRAY['firings', 'jobs']) AS "topic";

/** Reads a typed error from its details; no text is parsed. */
import * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import { contract } from './contract.js';
import type { SeenOrder } from './trader.js';

export interface SeenRefusal {
  code: string;
  reason: string;
  domain: string;
  order_effect: string;
  retry: string;
  fields: string[];
  resource: string;
  request_id: string;
}

const { BadRequest, ErrorInfo, RequestInfo, ResourceInfo, Status } = contract.google.rpc;

function isServiceError(problem: unknown): problem is grpc.ServiceError {
  return problem instanceof Error && 'metadata' in problem && 'code' in problem;
}

function readDetails(packed: Buffer) {
  const { details } = Status.deserialize(packed);
  return <Output extends object>(name: string, kind: MessageTypeDefinition<object, Output>): Output | undefined => {
    const found = details.find(({ type_url }) => type_url.endsWith(`/google.rpc.${name}`));
    return found && kind.deserialize(found.value);
  };
}

/** Gives the error of a call that must not succeed. */
export async function refusalOf(call: Promise<SeenOrder>): Promise<SeenRefusal> {
  let problem: unknown;
  try {
    await call;
  } catch (thrown) {
    problem = thrown;
  }
  if (!isServiceError(problem)) {
    throw new Error('the order had to be refused', { cause: problem });
  }
  const [packed] = problem.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(packed)) {
    throw new Error('the refusal has no details', { cause: problem });
  }
  const detail = readDetails(packed);
  const info = detail('ErrorInfo', ErrorInfo);
  return {
    code: grpc.status[problem.code] ?? String(problem.code),
    reason: info?.reason ?? '',
    domain: info?.domain ?? '',
    order_effect: info?.metadata['order_effect'] ?? '',
    retry: info?.metadata['retry'] ?? '',
    fields: (detail('BadRequest', BadRequest)?.field_violations ?? []).map(({ field }) => field),
    resource: detail('ResourceInfo', ResourceInfo)?.resource_name ?? '',
    request_id: detail('RequestInfo', RequestInfo)?.request_id ?? '',
  };
}

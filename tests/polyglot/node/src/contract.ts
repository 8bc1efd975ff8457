/** The contract, loaded from the proto files and typed by what was generated from them. */
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

import type { ProtoGrpcType as Accounts } from './generated/accounts.js';
import type { ProtoGrpcType as ErrorDetails } from './generated/error_details.js';
import type { ProtoGrpcType as Fills } from './generated/fills.js';
import type { ProtoGrpcType as Orders } from './generated/orders.js';
import type { ProtoGrpcType as Status } from './generated/status.js';

const definition = loadSync(
  [
    'brokerapi/v1/accounts.proto',
    'brokerapi/v1/orders.proto',
    'brokerapi/v1/fills.proto',
    'google/rpc/status.proto',
    'google/rpc/error_details.proto',
  ],
  {
    includeDirs: [fileURLToPath(new URL('../proto', import.meta.url))],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    keepCase: true,
  },
);

export const contract = grpc.loadPackageDefinition(definition) as unknown as Accounts &
  ErrorDetails &
  Fills &
  Orders &
  Status;

/** Places market orders in one account. */
import * as grpc from '@grpc/grpc-js';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import type { AccountServiceClient } from './generated/brokerapi/v1/AccountService.js';
import type { GetOrderResponse__Output } from './generated/brokerapi/v1/GetOrderResponse.js';
import type { ListAccountsResponse__Output } from './generated/brokerapi/v1/ListAccountsResponse.js';
import type { OrderServiceClient } from './generated/brokerapi/v1/OrderService.js';
import type { SubmitOrderRequest } from './generated/brokerapi/v1/SubmitOrderRequest.js';
import type { SubmitOrderResponse__Output } from './generated/brokerapi/v1/SubmitOrderResponse.js';

const DEADLINE_MS = 10_000;

/** An order as an answer showed it. */
export interface SeenOrder {
  order_id: string;
  state: string;
  replayed: boolean;
  replayed_label: string;
  cursor: string;
}

interface Answered<Response> {
  response: Response;
  trailer: grpc.Metadata;
}

/** Makes a promise of a unary call, with the trailing metadata. */
function ask<Response>(
  start: (options: grpc.CallOptions, callback: grpc.requestCallback<Response>) => grpc.ClientUnaryCall,
): Promise<Answered<Response>> {
  return new Promise((resolve, reject) => {
    let trailer = new grpc.Metadata();
    let answer: Response | undefined;
    const call = start({ deadline: Date.now() + DEADLINE_MS }, (refusal, response) => {
      if (refusal) {
        reject(refusal);
      } else {
        answer = response;
      }
    });
    call.on('status', (status) => {
      trailer = status.metadata;
      // The answer's callback runs before or after this event; the next turn has both.
      setImmediate(() => {
        if (answer !== undefined) {
          resolve({ response: answer, trailer });
        }
      });
    });
  });
}

export class Trader {
  private constructor(
    private readonly orders: OrderServiceClient,
    private readonly identity: grpc.Metadata,
    readonly accountId: string,
    private readonly symbol: string,
  ) {}

  static async inMockAccount(
    clients: { accounts: AccountServiceClient; orders: OrderServiceClient },
    identity: grpc.Metadata,
    symbol: string,
  ): Promise<Trader> {
    const { response } = await ask<ListAccountsResponse__Output>((options, callback) =>
      clients.accounts.ListAccounts({}, identity, options, callback),
    );
    const account = response.accounts.find(({ broker }) => broker === 'mock');
    if (account === undefined) {
      throw new Error('the user has no account at the mock broker');
    }
    return new Trader(clients.orders, identity, account.account_id, symbol);
  }

  marketBuy(quantity: string): SubmitOrderRequest {
    return {
      idempotency_key: randomUUID(),
      account_id: this.accountId,
      order: {
        symbol: this.symbol,
        side: 'SIDE_BUY',
        quantity,
        type: 'ORDER_TYPE_MARKET',
        time_in_force: 'TIME_IN_FORCE_GTC',
      },
    };
  }

  async submit(request: SubmitOrderRequest): Promise<SeenOrder> {
    const { response, trailer } = await ask<SubmitOrderResponse__Output>((options, callback) =>
      this.orders.SubmitOrder(request, this.identity, options, callback),
    );
    return {
      order_id: response.order?.order_id ?? '',
      state: response.order?.state ?? '',
      replayed: response.replayed,
      replayed_label: trailer.get('x-idempotent-replayed').join(),
      cursor: response.cursor,
    };
  }

  async untilFilled(orderId: string): Promise<void> {
    const giveUp = Date.now() + DEADLINE_MS;
    for (;;) {
      const { response } = await ask<GetOrderResponse__Output>((options, callback) =>
        this.orders.GetOrder({ order_id: orderId }, this.identity, options, callback),
      );
      if (response.order?.state === 'ORDER_STATE_FILLED') {
        return;
      }
      if (Date.now() > giveUp) {
        throw new Error(`order ${orderId} is still ${response.order?.state}`);
      }
      await pause(50);
    }
  }
}

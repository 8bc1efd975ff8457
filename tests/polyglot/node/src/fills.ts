/** Reads fills and remembers where it is. */
import * as grpc from '@grpc/grpc-js';

import type { FillServiceClient } from './generated/brokerapi/v1/FillService.js';
import type { StreamStart } from './generated/brokerapi/v1/StreamStart.js';
import type { SubscribeFillsResponse__Output } from './generated/brokerapi/v1/SubscribeFillsResponse.js';

const DEADLINE_MS = 30_000;

/** A fill as the stream told it. */
export interface SeenFill {
  fill_id: string;
  order_id: string;
  quantity: string;
  leaves_quantity: string;
  sequence: number;
}

type Messages = AsyncIterator<SubscribeFillsResponse__Output>;

export class FillStream {
  cursor = '';
  private readonly messages: Messages;

  private constructor(private readonly call: grpc.ClientReadableStream<SubscribeFillsResponse__Output>) {
    this.messages = call[Symbol.asyncIterator]() as Messages;
  }

  /** Subscribes and reads up to the point from which nothing is missed. */
  static async open(
    fills: FillServiceClient,
    identity: grpc.Metadata,
    accountId: string,
    start: StreamStart,
  ): Promise<FillStream> {
    const request = { account_ids: [accountId], start, heartbeat_interval: { seconds: 1 } };
    const stream = new FillStream(
      fills.SubscribeFills(request, identity, { deadline: Date.now() + DEADLINE_MS }),
    );
    await stream.expect('subscribed');
    if (start.snapshot) {
      const message = await stream.expect('snapshot_complete');
      stream.cursor = message.snapshot_complete?.cursor ?? '';
    }
    return stream;
  }

  /** Reads until the order has nothing left to fill. */
  fillsOf(orderId: string): Promise<SeenFill[]> {
    return this.read((last) => last?.order_id === orderId && last.leaves_quantity === '0');
  }

  /** Reads until at least one fill has come and then a heartbeat says that there is no more. */
  fillsUntilQuiet(): Promise<SeenFill[]> {
    return this.read((last, kind) => last !== undefined && kind === 'heartbeat');
  }

  close(): void {
    // A cancelled call ends with an error event; here it is the wish.
    this.call.on('error', () => undefined);
    this.call.cancel();
  }

  private async next(): Promise<SubscribeFillsResponse__Output> {
    const { done, value } = await this.messages.next();
    if (done) {
      throw new Error('the stream ended without a word');
    }
    return value;
  }

  private async expect(kind: SubscribeFillsResponse__Output['message']): Promise<SubscribeFillsResponse__Output> {
    const message = await this.next();
    if (message.message !== kind) {
      throw new Error(`${kind} was due, ${message.message} came`);
    }
    return message;
  }

  private async read(
    enough: (last: SeenFill | undefined, kind: SubscribeFillsResponse__Output['message']) => boolean,
  ): Promise<SeenFill[]> {
    const seen: SeenFill[] = [];
    for (;;) {
      const { message, event, heartbeat, terminating } = await this.next();
      if (terminating) {
        throw new Error(`the stream ended: ${terminating.reason}`);
      }
      this.cursor = event?.header?.cursor ?? heartbeat?.cursor ?? this.cursor;
      if (event?.fill) {
        const { fill_id, order_id, quantity, leaves_quantity } = event.fill;
        seen.push({ fill_id, order_id, quantity, leaves_quantity, sequence: event.header?.sequence ?? -1 });
      }
      if (enough(seen.at(-1), message)) {
        return seen;
      }
    }
  }
}

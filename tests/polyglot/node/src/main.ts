/**
 * A strategy in TypeScript: places orders, replays a key, loses its stream and resumes it, reads refusals.
 *
 * It prints one JSON object with what it saw and exits 0, or says on stderr what went wrong and exits 1.
 */
import * as grpc from '@grpc/grpc-js';

import { contract } from './contract.js';
import { FillStream, type SeenFill } from './fills.js';
import { refusalOf, type SeenRefusal } from './refusals.js';
import { Trader, type SeenOrder } from './trader.js';

/** What the strategy saw; the same shape in every language. */
interface Report {
  submitted: SeenOrder;
  replay: SeenOrder;
  fills: SeenFill[];
  missed: SeenOrder;
  resumed: SeenFill[];
  bad_request: SeenRefusal;
  reused_key: SeenRefusal;
}

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

async function trade(): Promise<Report> {
  const { AccountService, FillService, OrderService } = contract.brokerapi.v1;
  const identity = new grpc.Metadata();
  identity.set('authorization', `Bearer ${environment('BROKERGW_API_KEY')}`);
  identity.set('x-client-name', 'polyglot-node');
  const target = environment('BROKERGW_TARGET');
  const insecure = grpc.credentials.createInsecure();
  const clients = {
    accounts: new AccountService(target, insecure),
    fills: new FillService(target, insecure),
    orders: new OrderService(target, insecure),
  };
  try {
    const trader = await Trader.inMockAccount(clients, identity, environment('BROKERGW_SYMBOL'));
    const open = (start: Parameters<typeof FillStream.open>[3]) =>
      FillStream.open(clients.fills, identity, trader.accountId, start);

    const live = await open({ snapshot: true });
    const first = trader.marketBuy('1');
    const submitted = await trader.submit(first);
    const replay = await trader.submit(first);
    const fills = await live.fillsOf(submitted.order_id);
    live.close();

    const missed = await trader.submit(trader.marketBuy('2'));
    await trader.untilFilled(missed.order_id);
    const again = await open({ cursor: live.cursor });
    const resumed = await again.fillsUntilQuiet();
    again.close();

    const bad_request = await refusalOf(trader.submit(trader.marketBuy('0')));
    const reused_key = await refusalOf(
      trader.submit({ ...trader.marketBuy('3'), idempotency_key: first.idempotency_key }),
    );
    return { submitted, replay, fills, missed, resumed, bad_request, reused_key };
  } finally {
    Object.values(clients).forEach((client) => client.close());
  }
}

try {
  console.log(JSON.stringify(await trade()));
} catch (problem) {
  console.error(problem);
  process.exitCode = 1;
}

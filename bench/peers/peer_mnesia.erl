%% Mnesia: writes to a table that three nodes keep in memory.
%% Arguments: loads, each MODE:WRITERS or MODE:3xWRITERS (so many on each node), where MODE is
%% dirty, sync_dirty, transaction, or one of them followed by 100: so many writes in one call.
-module(peer_mnesia).
-export([start/1, boot/0, fill/0, load/2, backlog/0]).
-define(KEYS, 1000000).

start(Loads) ->
    Nodes = peer_nodes:start(),
    [First | Others] = Nodes,
    [true = call(First, net_kernel, connect_node, [Name]) || {_, Name} <- Others],
    on_all(Nodes, boot, []),
    Names = [Name || {_, Name} <- Nodes],
    {ok, _} = call(First, mnesia, change_config, [extra_db_nodes, tl(Names)]),
    Declaration = [{ram_copies, Names}, {attributes, [key, value]}],
    {atomic, ok} = call(First, mnesia, create_table, [table, Declaration]),
    on_all(Nodes, fill, []),
    [run(Nodes, Load) || Load <- Loads],
    peer_nodes:stop(Nodes),
    halt().

boot() ->
    application:load(mnesia),
    application:set_env(mnesia, schema_location, ram),
    mnesia:start().

%% Every node fills its own copy, which `ets` writes without the others.
fill() -> mnesia:ets(fun() -> [mnesia:write(record(I)) || I <- lists:seq(0, ?KEYS - 1)], ok end).

run(Nodes, Load) ->
    [Mode, Writers] = string:split(Load, ":"),
    Result = peer_nodes:measure(Nodes, ?MODULE, [Mode, Writers]),
    peer_load:report("mnesia." ++ Mode ++ "." ++ Writers, Result),
    drain(Nodes).

load(Mode, Writers) ->
    Offset = erlang:phash2(node(), ?KEYS),
    Size = case lists:suffix("100", Mode) of true -> 100; false -> 1 end,
    Way = list_to_existing_atom(lists:takewhile(fun(C) -> C =/= $1 end, Mode)),
    Number = fun(Id, Round, N) -> (Offset + (Round * Writers + Id) * Size + N) rem ?KEYS end,
    Write = fun(Id, Round) ->
        write(Way, [record(Number(Id, Round, N)) || N <- lists:seq(1, Size)])
    end,
    #{per_second := Calls} = Result = peer_load:latencies(Writers, Write),
    Result#{per_second := Calls * Size}.

write(dirty, Records) -> [ok = mnesia:dirty_write(R) || R <- Records];
write(sync_dirty, Records) -> ok = mnesia:sync_dirty(fun all/1, [Records]);
write(transaction, Records) -> {atomic, ok} = mnesia:transaction(fun all/1, [Records]);
write(sync_transaction, Records) -> {atomic, ok} = mnesia:sync_transaction(fun all/1, [Records]).

all(Records) -> lists:foreach(fun mnesia:write/1, Records).

record(I) -> {table, peer_load:key(I), peer_load:value(I)}.

%% Writes that nobody waited for must not fall into the next load's time.
drain(Nodes) ->
    case lists:sum(on_all(Nodes, backlog, [])) of
        0 -> ok;
        _ -> timer:sleep(10), drain(Nodes)
    end.

backlog() ->
    {message_queue_len, Length} = erlang:process_info(whereis(mnesia_tm), message_queue_len),
    Length.

call(Node, Module, Function, Arguments) -> peer_nodes:call(Node, Module, Function, Arguments).

on_all(Nodes, Function, Arguments) -> peer_nodes:on_all(Nodes, ?MODULE, Function, Arguments).

%% Mnesia: writes to a table that three nodes keep in memory.
%% Arguments: loads, each MODE:WRITERS or MODE:3xWRITERS (so many on each node), where MODE is
%% dirty, sync_dirty, transaction, or one of them followed by 100: so many writes in one call.
-module(peer_mnesia).
-export([start/1, boot/0, fill/0, load/2, backlog/0]).
-define(KEYS, 1000000).

start(Loads) ->
    Nodes = [start_node(Name) || Name <- [a, b, c]],
    [{First, _} | Others] = Nodes,
    [true = call(First, net_kernel, connect_node, [Name]) || {_, Name} <- Others],
    on_all(Nodes, boot, []),
    Names = [Name || {_, Name} <- Nodes],
    {ok, _} = call(First, mnesia, change_config, [extra_db_nodes, tl(Names)]),
    Declaration = [{ram_copies, Names}, {attributes, [key, value]}],
    {atomic, ok} = call(First, mnesia, create_table, [table, Declaration]),
    on_all(Nodes, fill, []),
    [run(Nodes, Load) || Load <- Loads],
    [peer:stop(Peer) || {Peer, _} <- Nodes],
    halt().

%% A node of its own process. This program itself is none: it steers them over their stdio, and
%% they end when it does.
start_node(Name) ->
    {ok, Peer, Node} = peer:start(#{
        name => Name, host => "127.0.0.1", longnames => true, connection => standard_io,
        args => ["-pa", os:getenv("PEERS_OUT"), "-setcookie", "bench",
                 "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                 "-kernel", "logger_level", "error"]}),
    {Peer, Node}.

boot() ->
    application:load(mnesia),
    application:set_env(mnesia, schema_location, ram),
    mnesia:start().

%% Every node fills its own copy, which `ets` writes without the others.
fill() -> mnesia:ets(fun() -> [mnesia:write(record(I)) || I <- lists:seq(0, ?KEYS - 1)], ok end).

run(Nodes, Load) ->
    [Mode, Writers] = string:split(Load, ":"),
    Result = case Writers of
        "3x" ++ Each -> total(on_all(Nodes, load, [Mode, list_to_integer(Each)]));
        _ -> call(element(1, hd(Nodes)), ?MODULE, load, [Mode, list_to_integer(Writers)])
    end,
    peer_load:report("mnesia." ++ Mode ++ "." ++ Writers, Result),
    drain(Nodes).

%% Rates add up; of the latencies the worst node's count.
total(Results) ->
    maps:map(fun(per_second, _) -> lists:sum([maps:get(per_second, R) || R <- Results]);
                (Metric, _) -> lists:max([maps:get(Metric, R) || R <- Results])
             end, hd(Results)).

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

call(Peer, Module, Function, Arguments) -> peer:call(Peer, Module, Function, Arguments, infinity).

%% Calls a function of this module on every node at the same time.
on_all(Nodes, Function, Arguments) ->
    Self = self(),
    Calls = [begin
                 Ref = make_ref(),
                 spawn_link(fun() -> Self ! {Ref, call(Peer, ?MODULE, Function, Arguments)} end),
                 Ref
             end || {Peer, _} <- Nodes],
    [receive {Ref, Result} -> Result end || Ref <- Calls].
